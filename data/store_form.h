/* data/store_form.h - what the writer and the reader of stores agree on; private to data/. */
#ifndef YOKE_DATA_STORE_FORM_H
#define YOKE_DATA_STORE_FORM_H

/* The named databases. */
#define NGRAM__NGRAMS "ngrams"
#define NGRAM__ABOUT  "about"

/* Records of "about". */
#define NGRAM__FORMAT   "format"
#define NGRAM__RELEASE  "release"
#define NGRAM__LANGUAGE "language"
#define NGRAM__SOURCES  "sources"
#define NGRAM__YEARS    "years"
#define NGRAM__COUNT    "ngrams"

#define NGRAM__FORMAT_VERSION "1"

/* An n-gram of less than this many bytes is a key, and its value a packed series. The others share
 * the record of their first so many bytes: its value is, for each, in order, u32 length of the rest
 * | u32 size of the series | the rest | the series. */
enum { NGRAM__LONG = 511, NGRAM__LONG_HEAD = 8 };

#endif
