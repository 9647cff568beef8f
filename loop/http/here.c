/* What the HTTP connections of one loop share: the date, and requests' memory that is left for the
 * next. The memory is as warm as that of a single connection, however many there are. */
#include <stdlib.h>
#include <time.h>

#include "http_internal.h"

#define SPARES     64                 /* that are kept */
#define SPARE_TEXT ((size_t)32 << 10) /* bytes of their buffers that are */

static void free_request(yk_http *h)
{
    free(h->text);
    free(h->fields);
    free(h->body);
    free(h);
}

static void here_free(yk__loop_local *local)
{
    yk__http_here *here = (yk__http_here *)local;
    while (here->spares) {
        yk_http *h = here->spares;
        here->spares = h->next_spare;
        free_request(h);
    }
    yk__http_encoders_free(here);
    free(here);
}

yk__http_here *yk__http_here_of(yk_loop *loop)
{
    if (!loop->http) {
        yk__http_here *here = calloc(1, sizeof *here);
        if (!here)
            return NULL;
        here->local.free = here_free;
        loop->http = &here->local;
    }
    return (yk__http_here *)loop->http;
}

/* ---- Requests -------------------------------------------------------------------------------- */

static void shed(char **buffer, size_t *cap)
{
    if (*cap <= SPARE_TEXT)
        return;
    free(*buffer);
    *buffer = NULL;
    *cap = 0;
}

yk_http *yk__http_take(yk__http_conn *c)
{
    yk_http *h = c->here->spares;
    if (h) {
        c->here->spares = h->next_spare;
        c->here->spare_count--;
    } else {
        h = calloc(1, sizeof *h);
        if (!h)
            return NULL;
    }
    h->conn = c;
    h->out_len = 0;
    h->broken = false;
    return h;
}

void yk__http_give(yk_http *h)
{
    yk__http_here *here = h->conn->here;
    yk__turn_end_forget(&h->flush);
    yk__http_encoder_drop(h);
    if (here->spare_count == SPARES) {
        free_request(h);
        return;
    }
    shed(&h->text, &h->text_cap);
    shed(&h->fields, &h->fields_cap);
    h->next_spare = here->spares;
    here->spares = h;
    here->spare_count++;
}

/* ---- The date -------------------------------------------------------------------------------- */

const char *yk__http_date(yk__http_here *here)
{
    time_t now = time(NULL);
    if ((uint64_t)now != here->date_of) {
        yk__http_date_format(now, here->date);
        here->date_of = (uint64_t)now;
    }
    return here->date;
}
