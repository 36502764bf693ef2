// Room for an update in the modem: deletes files that nobody needs any more.
//
// Laws: only files called *.ebin in the folder, and their parts (SPEC 13), are
// touched, a file with all its parts at once; those that the boot status does
// not list go first, then the oldest version that is kept; never the one that
// runs, nor the one that would be gone back to, nor the one that is being
// downloaded. Nothing is deleted when there is room already, or after a file
// could not be deleted.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef UPDATE_MAKE_SPACE_H
#define UPDATE_MAKE_SPACE_H

#include "ota/boot_status.h"
#include "sim7600.h"

// Most files that one call deletes.
#define UPDATE_DELETE_MAX 64u

// Makes `needed` bytes free in `folder` ("E:/", or "E:/name/"), with the status
// that the bootloader left (boot_status_read). The file `keep` and its parts
// stay (NUL padded; NULL for none). `deleted` is how many files went, a file
// with its parts being one. OTA_E_NO_SPACE when everything that
// may go is gone and there is still too little; OTA_E_NO_FILE when there is no
// such folder; see at_command for the rest.
OTA_CHECKED int update_make_space(struct sim7600 *modem, const char *folder,
                                  const struct boot_status *status,
                                  const char *keep, uint32_t needed,
                                  uint32_t *deleted);

#endif
