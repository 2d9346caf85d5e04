/* main.c - cordon-worker: the helper program, with the product's body. */
#include "runtime/worker/worker.h"

int main(int argc, char **argv) {
  return template_main(argc, argv, &worker_body);
}
