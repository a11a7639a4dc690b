/* Linked into the elements' tests where AddressSanitizer is: what shared libraries allocate while
 * they are loaded is theirs. GLib leaks its first table of quarks on purpose once a program has more
 * than 2048 of them, as the test has that comes first and fills the registry; the stack that a
 * suppression could name ends in g_malloc().
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sanitizer/lsan_interface.h>

static void
ignore_loading (void)
{
  __lsan_disable ();
}

static void __attribute__ ((constructor)) watch_the_program (void)
{
  __lsan_enable ();
}

/* what is called before the constructors of any library */
__attribute__ ((section (".preinit_array"), used)) static void (*const before_loading[]) (void) = {
    ignore_loading};
