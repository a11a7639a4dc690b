/* libFuzzer's entry for any target.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  simclr_fuzz_one (data, size);
  return 0;
}
