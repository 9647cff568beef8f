/* mapreduce/ngram/download.c - one file from a server, whatever comes between.
 *
 * An attempt is one request, from where the last one ended; what became of it decides what is next:
 *
 *   WHOLE    every byte is there: what the thread that checks it says, counts
 *   BROKEN   a pause, and on from there
 *   DAMAGED  a pause, and from the beginning
 *   AGAIN    at once: the server does not go on in the middle, and it was begun anew
 *   REFUSED  no further attempt would help
 */
#include "download.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "../../executor/error.h"
#include "../../loop/task.h"
#include "arrival.h"
#include "http.h"

enum { TAG_SIZE = 200 };

#define PROGRESS ((uint64_t)64 << 10) /* that makes up for the failures before */

typedef enum outcome { WHOLE, AGAIN, BROKEN, DAMAGED, REFUSED, STOPPED } outcome;

typedef struct download {
    const ngram_part *part;
    const ngram_download_options *o;
    ngram_download_state *state;
    char *message;
    char final[PATH_MAX], packed[PATH_MAX], partial[PATH_MAX], tag_path[PATH_MAX];
    int fd;
    bool zip; /* its lengths alone are checked */
    ngram_arrival *arrival;

    /* Of the attempt. */
    CURL *easy;
    bool begun;          /* its first byte was looked at */
    bool whole_sent;     /* the server sends all, though a part was asked for */
    uint64_t total;      /* of the whole file; 0: not known */
    uint64_t range_from; /* what the answer says of itself */
    bool has_range;
    char answer_tag[TAG_SIZE]; /* which may be that of an error's page */
    char tag[TAG_SIZE];        /* of the version that is here, "": none is known */
    int write_error;
} download;

static outcome tell(download *d, outcome result, const char *pattern, ...)
    __attribute__((format(printf, 3, 4)));

static outcome tell(download *d, outcome result, const char *pattern, ...)
{
    va_list args;
    int used = snprintf(d->message, NGRAM_DOWNLOAD_MESSAGE, "%.200s: ", d->part->name);
    va_start(args, pattern);
    vsnprintf(d->message + used, (size_t)(NGRAM_DOWNLOAD_MESSAGE - used), pattern, args);
    va_end(args);
    return result;
}

/* ---- The files ------------------------------------------------------------------------------ */

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static bool make_paths(download *d)
{
    const char *folder = d->o->folder, *name = d->part->name;
    size_t stem = ends_with(name, ".gz") ? strlen(name) - 3 : strlen(name);
    bool pack = d->o->pack && ends_with(name, ".gz");
    snprintf(d->final, PATH_MAX, "%s/%s", folder, name);
    snprintf(d->partial, PATH_MAX, "%s/%s.part", folder, name);
    if (pack)
        snprintf(d->packed, PATH_MAX, "%s/%.*s.zst", folder, (int)stem, name);
    return snprintf(d->tag_path, PATH_MAX, "%s/%s.part.tag", folder, name) < PATH_MAX;
}

/* The mark that the server gave the version of which a part is here. */
static void load_tag(download *d)
{
    d->tag[0] = '\0';
    int fd = open(d->tag_path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, d->tag, TAG_SIZE - 1) : 0;
    d->tag[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

static void save_tag(const download *d)
{
    int fd = open(d->tag_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return; /* it only makes going on possible */
    if (write(fd, d->tag, strlen(d->tag)) < 0)
        unlink(d->tag_path);
    close(fd);
}

static int system_error(download *d, const char *path)
{
    int err = uv_translate_sys_error(errno);
    tell(d, REFUSED, "%s: %s", path, yk_strerror(err));
    return err;
}

static int open_partial(download *d)
{
    struct stat status;
    d->fd = open(d->partial, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (d->fd < 0)
        return system_error(d, d->partial);
    if (flock(d->fd, LOCK_EX | LOCK_NB) != 0) {
        tell(d, REFUSED, "another ngram fetch is loading it");
        return UV_EBUSY;
    }
    if (fstat(d->fd, &status) != 0)
        return system_error(d, d->partial);
    d->state->have = (uint64_t)status.st_size;
    load_tag(d);
    return 0;
}

static void remove_partial(const download *d)
{
    unlink(d->partial);
    unlink(d->tag_path);
}

/* ---- What arrives --------------------------------------------------------------------------- */

static int start_arrival(download *d)
{
    if (d->zip)
        return 0;
    d->arrival = ngram_arrival_start(d->o->threads, d->partial, d->packed[0] ? d->packed : NULL,
                                     d->part->totals);
    if (!d->arrival)
        return UV_ENOMEM;
    ngram_arrival_grew(d->arrival, d->state->have, false);
    return 0;
}

static int end_arrival(download *d, bool stop, char *message, size_t size)
{
    ngram_arrival *a = d->arrival;
    d->arrival = NULL;
    return a ? ngram_arrival_end(a, stop, message, size) : 0;
}

/* From the beginning. */
static int start_over(download *d)
{
    char unused[8];
    end_arrival(d, true, unused, sizeof unused);
    if (ftruncate(d->fd, 0) != 0)
        return uv_translate_sys_error(errno);
    d->state->have = 0;
    return start_arrival(d);
}

/* ---- The answer ----------------------------------------------------------------------------- */

static long status_of(const download *d)
{
    long status = 0;
    curl_easy_getinfo(d->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static bool is_header(const char *line, size_t len, const char *name, char value[TAG_SIZE])
{
    size_t n = strlen(name);
    if (len <= n || strncasecmp(line, name, n) != 0)
        return false;
    line += n + strspn(line + n, " ");
    snprintf(value, TAG_SIZE, "%.*s", (int)strcspn(line, "\r\n"), line);
    return true;
}

/* "bytes 100-199/200", or "bytes * /200" where nothing of the range is there. */
static void read_range(download *d, const char *value)
{
    uint64_t from, to, total;
    if (sscanf(value, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64, &from, &to, &total) == 3) {
        d->range_from = from;
        d->has_range = true;
        d->total = total;
    } else if (sscanf(value, "bytes */%" SCNu64, &total) == 1) {
        d->total = total;
    }
}

static size_t take_header(char *bytes, size_t one, size_t n, void *arg)
{
    download *d = arg;
    char line[1024], value[TAG_SIZE];
    (void)one;
    snprintf(line, sizeof line, "%.*s", (int)n, bytes);
    if (strncmp(line, "HTTP/", 5) == 0) { /* the last of several answers is the one */
        d->has_range = false;
        d->total = 0;
        d->answer_tag[0] = '\0';
    } else if (is_header(line, n, "Content-Range:", value)) {
        read_range(d, value);
    } else if (is_header(line, n, "ETag:", value) && strncmp(value, "W/", 2) != 0) {
        snprintf(d->answer_tag, TAG_SIZE, "%s", value);
    }
    return n;
}

/* At the first byte of the body: is it what was asked for? */
static bool begin_body(download *d, long status)
{
    curl_off_t length = -1;
    d->begun = true;
    curl_easy_getinfo(d->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (status == 200 && length >= 0)
        d->total = (uint64_t)length;
    d->state->total = d->total;
    if (status == 200)
        d->whole_sent = d->state->have > 0;
    else if (!d->has_range || d->range_from != d->state->have)
        return false;
    if (d->whole_sent)
        return false;
    if (status == 200 || d->answer_tag[0])
        snprintf(d->tag, TAG_SIZE, "%s", d->answer_tag);
    save_tag(d);
    return true;
}

/* An error's page is not looked at. Returns less than `n` to end the transfer. */
static size_t take_body(char *bytes, size_t one, size_t n, void *arg)
{
    download *d = arg;
    long status = status_of(d);
    size_t left = n;
    (void)one;
    if (status != 200 && status != 206)
        return n;
    if (!d->begun && !begin_body(d, status))
        return 0;
    if (d->arrival && ngram_arrival_failed(d->arrival))
        return 0;
    while (left > 0) {
        ssize_t put = write(d->fd, bytes + n - left, left);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            d->write_error = uv_translate_sys_error(errno);
            return 0;
        }
        left -= (size_t)put;
        d->state->have += (uint64_t)put;
    }
    if (d->arrival)
        ngram_arrival_grew(d->arrival, d->state->have, false);
    return n;
}

/* ---- An attempt ----------------------------------------------------------------------------- */

static struct curl_slist *headers_for(const download *d)
{
    char line[TAG_SIZE + 32];
    struct curl_slist *list = NULL;
    if (d->state->have == 0)
        return NULL;
    snprintf(line, sizeof line, "Range: bytes=%" PRIu64 "-", d->state->have);
    list = curl_slist_append(list, line);
    snprintf(line, sizeof line, "If-Range: %s", d->tag);
    return d->tag[0] ? curl_slist_append(list, line) : list;
}

/* Runs the request; 0, or YK_ECANCELED or UV_ENOMEM. */
static int request(download *d, CURLcode *code)
{
    struct curl_slist *headers = headers_for(d);
    ngram_http_set_up(d->easy, d->part->url, d->o);
    curl_easy_setopt(d->easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(d->easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(d->easy, CURLOPT_HEADERDATA, d);
    curl_easy_setopt(d->easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(d->easy, CURLOPT_WRITEDATA, d);
    d->begun = d->whole_sent = d->has_range = false;
    d->total = 0;
    int err = yk_curl_perform(d->o->curl, d->easy, code, YK_FOREVER);
    curl_slist_free_all(headers);
    return err;
}

static outcome judge_status(download *d, long status)
{
    if (status == 416 && d->total && d->total == d->state->have)
        return WHOLE;
    if (status == 416)
        return tell(d, DAMAGED, "the server has another file than the one that was begun");
    if (ngram_http_may_pass(status))
        return tell(d, BROKEN, "the server answered HTTP %ld", status);
    if (status == 404)
        return tell(d, REFUSED,
                    "HTTP 404: there is no such file at %.300s (are release, language and part "
                    "right?)",
                    d->part->url);
    return tell(d, REFUSED, "HTTP %ld from %.300s", status, d->part->url);
}

static outcome judge_code(download *d, CURLcode code)
{
    bool hopeless = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
                    code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_TOO_MANY_REDIRECTS;
    if (code == CURLE_PARTIAL_FILE && d->total)
        return tell(d, BROKEN, "it broke off at byte %" PRIu64 " of %" PRIu64, d->state->have,
                    d->total);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return tell(d, BROKEN, "nothing came for %d s, at byte %" PRIu64, d->o->stall_s,
                    d->state->have);
    return tell(d, hopeless ? REFUSED : BROKEN, "%s (%.300s)", curl_easy_strerror(code),
                d->part->url);
}

/* The end of a file that is no gzip, and has no checksum: the directory of a zip. */
static bool ends_like_zip(const download *d)
{
    char end[4096];
    off_t size = (off_t)d->state->have, at = size > 4096 ? size - 4096 : 0;
    ssize_t n = pread(d->fd, end, sizeof end, at);
    return n > 0 && memmem(end, (size_t)n, "PK\5\6", 4);
}

/* Every byte is there: is it good? */
static outcome judge_content(download *d)
{
    char what[600];
    if (d->zip)
        return ends_like_zip(d) ? WHOLE : tell(d, DAMAGED, "what came is no zip file");
    ngram_arrival_grew(d->arrival, d->state->have, true);
    int err = end_arrival(d, false, what, sizeof what);
    if (!err)
        return WHOLE;
    if (err == YK_ECANCELED)
        return STOPPED;
    bool damage = err == YK_ECORRUPT || err == YK_ETRUNCATED || err == YK_EFORMAT;
    return tell(d, damage ? DAMAGED : REFUSED, "%s", what);
}

static outcome judge(download *d, CURLcode code)
{
    long status = status_of(d);
    if (d->write_error)
        return tell(d, REFUSED, "%s: %s", d->partial, yk_strerror(d->write_error));
    if (d->whole_sent)
        return AGAIN;
    if (d->arrival && ngram_arrival_failed(d->arrival))
        return judge_content(d);
    if (status >= 400) {
        outcome result = judge_status(d, status);
        return result == WHOLE ? judge_content(d) : result;
    }
    if (status == 206 && d->begun && (!d->has_range || code == CURLE_WRITE_ERROR))
        return tell(d, DAMAGED, "the server sent another part of the file than was asked for");
    if (code != CURLE_OK)
        return judge_code(d, code);
    if (d->total && d->state->have < d->total)
        return tell(d, BROKEN, "it broke off at byte %" PRIu64 " of %" PRIu64, d->state->have,
                    d->total);
    if (d->total && d->state->have > d->total)
        return tell(d, DAMAGED, "more came than the %" PRIu64 " bytes it was to have", d->total);
    return judge_content(d);
}

static outcome attempt(download *d)
{
    CURLcode code = CURLE_OK;
    int err = request(d, &code);
    if (err == YK_ECANCELED)
        return STOPPED;
    return err ? tell(d, REFUSED, "%s", yk_strerror(err)) : judge(d, code);
}

/* ---- All attempts --------------------------------------------------------------------------- */

static outcome give_up(download *d, outcome last, int tries)
{
    size_t used = strlen(d->message);
    if (last == DAMAGED)
        remove_partial(d);
    snprintf(d->message + used, NGRAM_DOWNLOAD_MESSAGE - used,
             last == DAMAGED ? "; tried %d times, and what came was removed"
                             : "; tried %d times; what came is kept, and the same command goes on",
             tries);
    return REFUSED;
}

static outcome try_all(download *d)
{
    uint64_t best = d->state->have;
    for (int failures = 0;;) {
        outcome result = attempt(d);
        if (result == AGAIN) {
            if (start_over(d))
                return tell(d, REFUSED, "out of memory or disk");
            continue;
        }
        if (result != BROKEN && result != DAMAGED)
            return result;
        if (d->state->have >= best + PROGRESS) {
            best = d->state->have;
            failures = 0;
        }
        if (++failures > d->o->retries)
            return give_up(d, result, failures);
        if (result == DAMAGED && start_over(d))
            return tell(d, REFUSED, "out of memory or disk");
        if (yk_sleep_ms(ngram_http_pause(d->o, d->easy, failures)))
            return STOPPED;
    }
}

/* It gets its name. */
static int finish(download *d)
{
    int err = 0;
    if (d->packed[0])
        unlink(d->partial); /* what was packed is there already */
    else if (rename(d->partial, d->final) != 0)
        err = system_error(d, d->final);
    unlink(d->tag_path);
    return err;
}

static int load(download *d)
{
    char unused[8];
    int err = open_partial(d);
    if (!err)
        err = start_arrival(d);
    outcome result = err ? REFUSED : try_all(d);
    end_arrival(d, true, unused, sizeof unused);
    if (err)
        return err;
    if (result == WHOLE)
        return finish(d);
    return result == STOPPED ? YK_ECANCELED : UV_EIO;
}

int ngram_download(const ngram_part *part, const ngram_download_options *options,
                   ngram_download_state *state, char message[NGRAM_DOWNLOAD_MESSAGE])
{
    download *d = calloc(1, sizeof *d); /* larger than a task's frame should be */
    snprintf(message, NGRAM_DOWNLOAD_MESSAGE, "%.200s: out of memory", part->name);
    if (!d)
        return UV_ENOMEM;
    *d = (download){ .part = part, .o = options, .state = state, .message = message, .fd = -1 };
    d->zip = ends_with(part->name, ".zip");
    int err = UV_ENAMETOOLONG;
    if (!make_paths(d)) {
        tell(d, REFUSED, "%s", yk_strerror(err));
    } else {
        state->path = strdup(d->packed[0] ? d->packed : d->final);
        state->was_there = state->path && access(state->path, F_OK) == 0;
        d->easy = curl_easy_init();
        err = !state->path || !d->easy ? UV_ENOMEM : state->was_there ? 0 : load(d);
    }
    curl_easy_cleanup(d->easy);
    if (d->fd >= 0)
        close(d->fd);
    free(d);
    return err;
}
