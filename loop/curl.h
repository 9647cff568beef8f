/* loop/curl.h - libcurl's transfers, awaited by tasks. Not installed.
 *
 *   yk_curl *curl;
 *   int err = yk_curl_open(&curl);
 *   CURL *easy = curl_easy_init();
 *   curl_easy_setopt(easy, CURLOPT_URL, "http://127.0.0.1:8080/");
 *   err = yk_curl_perform(curl, easy, &code, yk_after_ms(2000));
 *   curl_easy_cleanup(easy);
 *   yk_curl_close(curl);
 *
 * libcurl says which sockets and what time it waits for, handles of libuv wait for them. Any number
 * of tasks of the loop may be in yk_curl_perform() at one time; connections are kept and used
 * again. libyoke itself needs no libcurl: who uses this links yoke_curl.
 */
#ifndef YOKE_LOOP_CURL_H
#define YOKE_LOOP_CURL_H

#include <curl/curl.h>
#include <stdint.h>

typedef struct yk_curl yk_curl;

/* In a task. 0, UV_ENOMEM, or UV_EINVAL where there is no loop. */
int yk_curl_open(yk_curl **curl);

/* Runs the transfer, whose CURLOPT_PRIVATE is taken. 0: it has ended, with *code. UV_ETIMEDOUT: not
 * by the deadline; YK_ECANCELED; UV_ENOMEM: libcurl has hung up where it was under way. The handle
 * stays the caller's, and may be used again. Its callbacks run on the loop, outside of any task. */
int yk_curl_perform(yk_curl *curl, CURL *transfer, CURLcode *code, uint64_t deadline);

/* When nobody is in yk_curl_perform() any more. Takes NULL. */
void yk_curl_close(yk_curl *curl);

#endif
