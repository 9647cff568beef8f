/* Files as answers: which one, under what conditions, and which part of it. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "accept.h"
#include "condition.h"
#include "date.h"
#include "files_internal.h"
#include "http_internal.h"
#include "media_type.h"
#include "range.h"

#define LARGE ((uint64_t)4 << 20)

struct yk_http_files {
    int root;
    char *index, *cache_control; /* NULL: none */
    bool hidden;
};

/* What is going to be sent. */
typedef struct found {
    int fd;
    uint64_t size;
    time_t modified;
    const char *type;
    yk__coding coding;
    bool varies; /* another client may get another coding */
    char etag[64], date[YK__HTTP_DATE];
} found;

/* ---- The folder ------------------------------------------------------------------------------ */

int yk_http_files_open_opts(yk_http_files **files, const char *root,
                            const yk_http_files_options *options)
{
    yk_http_files_options o = options ? *options : (yk_http_files_options){ 0 };
    const char *index = o.index ? o.index : "index.html";
    yk_http_files *f = calloc(1, sizeof *f);
    if (!f)
        return UV_ENOMEM;
    f->hidden = o.hidden;
    f->index = *index ? strdup(index) : NULL;
    f->cache_control = o.cache_control ? strdup(o.cache_control) : NULL;
    f->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int err = f->root < 0 ? uv_translate_sys_error(errno) : 0;
    if ((*index && !f->index) || (o.cache_control && !f->cache_control))
        err = UV_ENOMEM;
    if (err) {
        yk_http_files_close(f);
        return err;
    }
    *files = f;
    return 0;
}

void yk_http_files_close(yk_http_files *f)
{
    if (!f)
        return;
    if (f->root >= 0)
        close(f->root);
    free(f->index);
    free(f->cache_control);
    free(f);
}

/* ---- Finding --------------------------------------------------------------------------------- */

static bool is_hidden(const char *path)
{
    for (const char *name = path; name; name = strchr(name, '/')) {
        name += *name == '/';
        if (*name == '.' &&
            !(strncmp(name, ".well-known", 11) == 0 && (!name[11] || name[11] == '/')))
            return true;
    }
    return false;
}

static int answer_failure(yk_http *h, int err)
{
    switch (err) {
    case UV_ENOENT:
    case UV_ENOTDIR:
    case UV_EXDEV:
    case UV_ELOOP:
    case UV_ENAMETOOLONG:
    case UV_ENXIO: /* a socket */
    case UV_ENODEV:
        return yk_http_error(h, 404, NULL);
    case UV_EACCES:
    case UV_EPERM:
        return yk_http_error(h, 403, NULL);
    case UV_EMFILE:
    case UV_ENFILE:
        return YK_EFULL;
    default:
        return err;
    }
}

/* Opens a file, and looks at it. UV_EISDIR: it is a folder; UV_ENOENT: nothing that has bytes. */
static int open_file(int root, const char *path, struct stat *st)
{
    int fd = yk__file_open_in(root, path);
    if (fd < 0)
        return fd;
    int err = fstat(fd, st) ? uv_translate_sys_error(errno) : 0;
    if (!err && !S_ISREG(st->st_mode))
        err = S_ISDIR(st->st_mode) ? UV_EISDIR : UV_ENOENT;
    if (!err)
        return fd;
    close(fd);
    return err;
}

/* A client that asks for parts means those of the file itself. */
static unsigned codings_offered(yk_http *h, const char *type)
{
    if (yk_http_header(h, "Range") || !yk__media_type_compresses(type))
        return 0;
    return 1u << YK__ZSTD | 1u << YK__GZIP;
}

/* The compressed one beside it that the client likes best. */
static int open_compressed(yk_http *h, int root, const char *path, struct stat *st,
                           yk__coding *coding)
{
    static const char *const extensions[] = { [YK__ZSTD] = ".zst", [YK__GZIP] = ".gz" };
    char *accept;
    unsigned offered = 1u << YK__ZSTD | 1u << YK__GZIP;
    int fd = yk__http_joined(h, "Accept-Encoding", &accept);
    char *name = malloc(strlen(path) + 5);
    while (fd == 0 && name && offered) {
        *coding = yk__coding_choose(accept, offered);
        if (*coding == YK__IDENTITY)
            break;
        stpcpy(stpcpy(name, path), extensions[*coding]);
        int opened = open_file(root, name, st);
        if (opened >= 0 || opened == YK_ECANCELED)
            fd = opened;
        offered &= ~(1u << *coding);
    }
    free(name);
    free(accept);
    if (fd == 0)
        *coding = YK__IDENTITY;
    return fd == 0 ? UV_ENOENT : fd;
}

static void describe(found *f, const struct stat *st)
{
    f->size = (uint64_t)st->st_size;
    f->modified = st->st_mtim.tv_sec;
    yk__http_date_format(f->modified, f->date);
    snprintf(f->etag, sizeof f->etag, "\"%llx.%lx-%llx%s%s\"", (unsigned long long)f->modified,
             (unsigned long)st->st_mtim.tv_nsec, (unsigned long long)f->size,
             f->coding == YK__IDENTITY ? "" : "-",
             f->coding == YK__IDENTITY ? "" : yk__coding_names[f->coding]);
}

static int find(yk_http *h, int root, const char *path, const char *type, found *f)
{
    struct stat st;
    int fd = UV_ENOENT;
    f->type = type ? type : yk__media_type(path);
    f->coding = YK__IDENTITY;
    f->varies = yk__media_type_compresses(f->type);
    if (codings_offered(h, f->type))
        fd = open_compressed(h, root, path, &st, &f->coding);
    if (fd < 0 && fd != YK_ECANCELED)
        fd = open_file(root, path, &st);
    if (fd < 0)
        return fd;
    f->fd = fd;
    describe(f, &st);
    return 0;
}

/* ---- Answering ------------------------------------------------------------------------------- */

static int set_fields(yk_http *h, const found *f)
{
    int err = yk_http_set(h, "ETag", f->etag);
    if (!err)
        err = yk_http_set(h, "Last-Modified", f->date);
    if (!err)
        err = yk_http_set(h, "Accept-Ranges", "bytes");
    if (!err && f->varies)
        err = yk_http_add(h, "Vary", "Accept-Encoding");
    if (!err && f->coding != YK__IDENTITY)
        err = yk_http_set(h, "Content-Encoding", yk__coding_names[f->coding]);
    return err;
}

/* 0: go on; 304, 412; or an error. *ranges: whether a range may be sent. */
static int check_conditions(yk_http *h, const found *f, bool *ranges)
{
    char *match, *none_match = NULL;
    time_t now = time(NULL);
    int result = yk__http_joined(h, "If-Match", &match);
    if (!result)
        result = yk__http_joined(h, "If-None-Match", &none_match);
    yk__conditions c = { .if_match = match,
                         .if_none_match = none_match,
                         .if_modified_since = yk_http_header(h, "If-Modified-Since"),
                         .if_unmodified_since = yk_http_header(h, "If-Unmodified-Since"),
                         .if_range = yk_http_header(h, "If-Range"),
                         .reads = true };
    if (!result)
        result = yk__conditions_check(&c, f->etag, f->modified, now);
    *ranges = yk__conditions_allow_range(&c, f->etag, f->modified, now);
    free(match);
    free(none_match);
    return result;
}

/* A large one is not compressed anew for each client. */
static int send_whole(yk_http *h, const found *f)
{
    h->as_is = f->size > LARGE;
    int err = yk_http_begin(h, 200, f->type, f->size);
    return err ? err : yk__http_send_bytes(h, f->fd, 0, f->size);
}

static int set_content_range(yk_http *h, const found *f, const yk__range *r)
{
    char text[80];
    if (r)
        snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)r->first,
                 (unsigned long long)r->last, (unsigned long long)f->size);
    else
        snprintf(text, sizeof text, "bytes */%llu", (unsigned long long)f->size);
    return yk_http_set(h, "Content-Range", text);
}

static int send_one_range(yk_http *h, const found *f, const yk__range *r)
{
    uint64_t len = r->last - r->first + 1;
    int err = set_content_range(h, f, r);
    if (!err)
        err = yk_http_begin(h, 206, f->type, len);
    return err ? err : yk__http_send_bytes(h, f->fd, r->first, len);
}

/* Of multipart/byteranges; `boundary` is no line of the file's, as nobody could guess it. */
static size_t part_head(char out[256], const found *f, const yk__range *r, const char *boundary)
{
    return (size_t)snprintf(out, 256,
                            "\r\n--%s\r\nContent-Type: %.80s\r\n"
                            "Content-Range: bytes %llu-%llu/%llu\r\n\r\n",
                            boundary, f->type, (unsigned long long)r->first,
                            (unsigned long long)r->last, (unsigned long long)f->size);
}

static int send_ranges(yk_http *h, const found *f, const yk__range *r, int n)
{
    char head[256], type[80], end[40], boundary[33];
    uint64_t random[2], len = 0;
    if (uv_random(NULL, NULL, random, sizeof random, 0, NULL))
        random[0] = random[1] = yk_now();
    snprintf(boundary, sizeof boundary, "%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    snprintf(type, sizeof type, "multipart/byteranges; boundary=%s", boundary);
    size_t end_len = (size_t)snprintf(end, sizeof end, "\r\n--%s--", boundary);
    for (int i = 0; i < n; i++)
        len += part_head(head, f, &r[i], boundary) + r[i].last - r[i].first + 1;
    int err = yk_http_begin(h, 206, type, len + end_len);
    for (int i = 0; i < n && !err; i++) {
        err = yk_http_write(h, head, part_head(head, f, &r[i], boundary));
        if (!err)
            err = yk__http_send_bytes(h, f->fd, r[i].first, r[i].last - r[i].first + 1);
    }
    return err ? err : yk_http_write(h, end, end_len);
}

static int refuse_range(yk_http *h, const found *f)
{
    int err = set_content_range(h, f, NULL);
    return err ? err : yk_http_error(h, 416, NULL);
}

static int answer(yk_http *h, const found *f)
{
    yk__range r[YK__RANGES];
    bool may;
    int n = 0, result = check_conditions(h, f, &may);
    if (result < 0)
        return result;
    if (result == 412)
        return yk_http_error(h, 412, NULL);
    if (!result && may && strcmp(h->head.method, "GET") == 0)
        n = yk__range_parse(yk_http_header(h, "Range"), f->size, r);
    if (n == -416)
        return refuse_range(h, f);
    int err = set_fields(h, f);
    if (err)
        return err;
    if (result == 304)
        return yk_http_begin(h, 304, NULL, 0);
    if (n == 0)
        return send_whole(h, f);
    return n == 1 ? send_one_range(h, f, r) : send_ranges(h, f, r, n);
}

static int refuse_method(yk_http *h)
{
    int err = yk_http_set(h, "Allow", "GET, HEAD");
    return err ? err : yk_http_error(h, 405, NULL);
}

static bool may_read(const yk_http *h)
{
    return strcmp(h->head.method, "GET") == 0 || strcmp(h->head.method, "HEAD") == 0;
}

static int send_found(yk_http *h, found *f)
{
    int err = answer(h, f);
    close(f->fd);
    return err;
}

int yk_http_send_file(yk_http *h, const char *path, const char *type)
{
    found f;
    if (!may_read(h))
        return refuse_method(h);
    int err = find(h, AT_FDCWD, path, type, &f);
    if (err)
        return answer_failure(h, err == UV_EISDIR ? UV_ENOENT : err);
    return send_found(h, &f);
}

/* ---- The handler ----------------------------------------------------------------------------- */

/* Two slashes at the beginning would be another host; to browsers a backslash is one, too. */
static int redirect_to_folder(yk_http *h)
{
    const char *path = h->raw + strspn(h->raw, "/\\");
    char *location = NULL;
    int n = asprintf(&location, "/%s/%s%s", path, *h->query ? "?" : "", h->query);
    int err = n < 0 ? UV_ENOMEM : yk_http_redirect(h, 301, location);
    if (n >= 0)
        free(location);
    return err;
}

/* The name of the file within the folder, in room for the path and the index. */
static int name_of(yk_http *h, const yk_http_files *files, char *name, size_t size)
{
    int err = yk__http_rest(h, name, size);
    if (err == UV_ENOENT) {
        strcpy(name, h->path + 1);
        err = 0;
    }
    if (err)
        return err;
    size_t skip = strspn(name, "/");
    memmove(name, name + skip, strlen(name + skip) + 1);
    if (!files->hidden && is_hidden(name))
        return UV_ENOENT;
    size_t len = strlen(name);
    if (len > 0 && name[len - 1] != '/')
        return 0;
    if (!files->index)
        return UV_ENOENT;
    strcpy(name + len, files->index);
    return 0;
}

int yk_http_serve_files(yk_http *h, void *arg)
{
    const yk_http_files *files = arg;
    found f;
    if (!may_read(h))
        return refuse_method(h);
    size_t room = strlen(h->path) + strlen(h->raw) + 2;
    char *name = malloc(room + (files->index ? strlen(files->index) : 0));
    if (!name)
        return UV_ENOMEM;
    int err = name_of(h, files, name, room);
    if (!err)
        err = find(h, files->root, name, NULL, &f);
    free(name);
    if (err == UV_EISDIR)
        return redirect_to_folder(h);
    if (err)
        return answer_failure(h, err);
    if (files->cache_control)
        err = yk_http_set(h, "Cache-Control", files->cache_control);
    if (err)
        close(f.fd);
    return err ? err : send_found(h, &f);
}
