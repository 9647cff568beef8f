/* Certificates for tests: keys and files made on the spot, in a folder of their own. */
#ifndef TESTS_LOOP_CERTIFICATES_H
#define TESTS_LOOP_CERTIFICATES_H

typedef struct certificates {
    char folder[32];
    char ca[64];       /* whom the following two are signed by */
    char good[64];     /* key and certificate, for localhost, 127.0.0.1 and *.yoke.test */
    char expired[64];  /* the same, of long ago */
    char other_ca[64]; /* another authority, */
    char other[64];    /* and its certificate for localhost */
} certificates;

void certificates_make(certificates *c);
void certificates_remove(const certificates *c);

#endif
