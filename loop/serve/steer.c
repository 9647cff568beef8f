/* Which of the sockets on one address a new connection goes to.
 *
 * By default the kernel goes by a hash of the peer's address. A small program in its site keeps
 * connections away from the last sockets: from one whose worker is not there yet, or is to go. A
 * number that names no socket leaves it to the hash.
 */
#include <linux/filter.h>

#include "sockets.h"

static void steer_site(int fd, unsigned slots)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_RANDOM)),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, slots),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = { .len = sizeof code / sizeof code[0], .filter = code };
    int none = 0;
    if (slots > 0)
        setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
    else
        setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof none);
}

void yk__sockets_steer(const yk__sockets *s, unsigned slots)
{
    for (size_t i = 0; i < s->n; i++)
        if (!s->sites[i].is_one_for_all)
            steer_site(s->sites[i].fds[0], slots);
}
