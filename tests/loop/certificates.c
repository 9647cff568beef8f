#include "certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "streams.h"

#define DAY 86400

typedef struct identity {
    EVP_PKEY *key;
    X509 *certificate;
} identity;

static void extend(X509 *certificate, int what, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, what, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(certificate, e, -1), 1);
    X509_EXTENSION_free(e);
}

/* Signed by `by`, NULL: by itself, an authority. Good from `from` to `to` days from now. */
static identity make(const char *name, const identity *by, int from, int to)
{
    identity i = { EVP_EC_gen("P-256"), X509_new() };
    static long serial;
    assert_true(i.key && i.certificate);
    X509_set_version(i.certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(i.certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(i.certificate), from * DAY);
    X509_gmtime_adj(X509_getm_notAfter(i.certificate), to * DAY);
    X509_set_pubkey(i.certificate, i.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(i.certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    const identity *signer = by ? by : &i;
    X509_set_issuer_name(i.certificate, X509_get_subject_name(signer->certificate));
    if (by)
        extend(i.certificate, NID_subject_alt_name, "DNS:localhost,DNS:*.yoke.test,IP:127.0.0.1");
    else
        extend(i.certificate, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(i.certificate, signer->key, EVP_sha256()) > 0);
    return i;
}

static void save(char *path, size_t size, const char *folder, const char *name, const identity *i)
{
    snprintf(path, size, "%s/%s.pem", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, i->certificate), 1);
    assert_int_equal(PEM_write_PrivateKey(file, i->key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
}

static void forget(identity *i)
{
    EVP_PKEY_free(i->key);
    X509_free(i->certificate);
}

void certificates_make(certificates *c)
{
    strcpy(c->folder, "/tmp/yoke-tls-XXXXXX");
    assert_non_null(mkdtemp(c->folder));
    identity ca = make("yoke's test authority", NULL, -1, 10);
    identity other_ca = make("another authority", NULL, -1, 10);
    identity good = make("good", &ca, -1, 10), expired = make("expired", &ca, -10, -5);
    identity other = make("other", &other_ca, -1, 10);
    save(c->ca, sizeof c->ca, c->folder, "ca", &ca);
    save(c->good, sizeof c->good, c->folder, "good", &good);
    save(c->expired, sizeof c->expired, c->folder, "expired", &expired);
    save(c->other_ca, sizeof c->other_ca, c->folder, "other-ca", &other_ca);
    save(c->other, sizeof c->other, c->folder, "other", &other);
    forget(&ca);
    forget(&other_ca);
    forget(&good);
    forget(&expired);
    forget(&other);
}

void certificates_remove(const certificates *c)
{
    unlink(c->ca);
    unlink(c->good);
    unlink(c->expired);
    unlink(c->other_ca);
    unlink(c->other);
    assert_int_equal(rmdir(c->folder), 0);
}
