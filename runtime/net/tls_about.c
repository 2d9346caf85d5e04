/* tls_about.c - asks OpenSSL what it is, and whom it trusts. */
#include <dirent.h>
#include <openssl/crypto.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "runtime/net/tls_calls.h"

const char *tls_about_version(void) {
  return OpenSSL_version(OPENSSL_VERSION_STRING);
}

static size_t count_file(const char *path) {
  X509_STORE *store = X509_STORE_new();
  size_t n = 0;
  if (store && X509_STORE_load_file(store, path) == 1) {
    int found = sk_X509_OBJECT_num(X509_STORE_get0_objects(store));
    n = found > 0 ? (size_t)found : 0;
  }
  X509_STORE_free(store);
  return n;
}

/* Only names that are a hash of a subject are ever opened: openssl-rehash(1) */
static size_t count_folder(const char *path) {
  DIR *d = opendir(path);
  const struct dirent *entry;
  size_t n = 0;
  while (d && (entry = readdir(d)))
    n += strspn(entry->d_name, "0123456789abcdef") == 8 &&
         entry->d_name[8] == '.' &&
         strspn(entry->d_name + 9, "0123456789") == strlen(entry->d_name + 9) &&
         entry->d_name[9] != '\0';
  if (d)
    closedir(d);
  return n;
}

void tls_about_trust(struct about_trust *ret) {
  ret->file = X509_get_default_cert_file();
  ret->folder = X509_get_default_cert_dir();
  ret->in_file = count_file(ret->file);
  ret->in_folder = count_folder(ret->folder);
}
