/* What a server answers to a WebSocket's key (RFC 6455, 4.2.2): whoever can do that knows that it
 * is being spoken to as one. */
#include <openssl/evp.h>
#include <string.h>

#include "websocket_internal.h"

static bool is_key(const char *key)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return strlen(key) == YK__WS_KEY && strspn(key, base64) == 22 && strcmp(key + 22, "==") == 0 &&
           strchr("AQgw", key[21]); /* 16 bytes: the last digit stands for two bits */
}

bool yk__ws_accept_key(const char *key, char accept[YK__WS_ACCEPT])
{
    static const char id[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[YK__WS_KEY + sizeof id];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    if (!is_key(key))
        return false;
    memcpy(text, key, YK__WS_KEY);
    memcpy(text + YK__WS_KEY, id, sizeof id);
    if (!EVP_Digest(text, sizeof text - 1, digest, &len, EVP_sha1(), NULL))
        return false;
    EVP_EncodeBlock((unsigned char *)accept, digest, (int)len);
    return true;
}
