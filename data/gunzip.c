/* data/gunzip.c - which library reads gzip. */
#include "data/unpack.h"

#if defined(YOKE_HAVE_ISAL) && !defined(YOKE_GZIP_ZLIB)
const yk__unpacker *yk__gunzip = &yk__gunzip_isal;
#else
const yk__unpacker *yk__gunzip = &yk__gunzip_zlib;
#endif
