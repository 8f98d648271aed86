// What the libraries of GCC 12 take from a glibc that is newer than 2.28, for an addon that loads on that.
#include <stddef.h>
#include <stdint.h>
#include <sys/random.h>

#define HIDDEN __attribute__((visibility("hidden")))

// glibc 2.32: whether the process has one thread. "No" is always right.
HIDDEN char __libc_single_threaded = 0;

// glibc 2.35: a quicker way to unwinding tables. After "not found" libgcc takes dl_iterate_phdr.
HIDDEN int _dl_find_object(void* address, void* result) {
  (void)address;
  (void)result;
  return -1;
}

// glibc 2.36.
HIDDEN uint32_t arc4random(void) {
  uint32_t value = 0;
  while (getrandom(&value, sizeof value, 0) != sizeof value) {
  }
  return value;
}
