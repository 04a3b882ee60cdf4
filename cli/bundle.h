// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A bundle: the folder that makes a device - what `elo add` writes and `elo device`, a board or any
 * MQTT client reads.
 *
 *     ca.pem        whom to trust
 *     cert.pem      the device's certificate
 *     key.pem       its P-256 key, mode 0600
 *     config.json   {"thingName","clientId","host","port","serverName","prefix"}
 *     flash.bin     what a virtual device keeps (BUNDLE_FLASH): `elo device` makes it
 *     flash-lx106.bin   the same of an emulated board (BUNDLE_FLASH_LX106): `elo device --emulate`
 *
 * A bundle appears whole or not at all: it is written beside its place and renamed into it.
 */
#ifndef ELO_CLI_BUNDLE_H
#define ELO_CLI_BUNDLE_H

#include "cli/desk.h"

#define BUNDLE_FLASH       "flash.bin"
#define BUNDLE_FLASH_LX106 "flash-lx106.bin"

struct bundle {
    char dir[PATH_MAX];
    char thing[130]; /* empty: an identity without a thing */
    char client_id[130];
    char prefix[160];      /* of its topics: "elo/kitchen" */
    char host[256];        /* where to connect: a name or an address */
    char server_name[256]; /* what the server's certificate must say, and SNI: a name */
    int port;
    elo_span ca, cert, key; /* PEM texts with a NUL after their end */
};

/* Reads and checks a bundle. An exit code; what is wrong has been said. */
int bundle_load(const char *dir, struct bundle *out);
void bundle_free(struct bundle *b); /* wipes the key */

/* A device that has made its key itself: in the place of a folder. Both say what goes wrong. */
struct bundle_board {
    int (*csr)(void *ctx, struct buf *out_pem);
    int (*deliver)(void *ctx, elo_span ca, elo_span certificate); /* PEM; EXIT_OK: it works */
    void *ctx;
};

/* What to make. */
struct bundle_wish {
    const char *dir; /* no slash at its end */
    const struct bundle_board
        *board;        /* NULL: key and certificate go into `dir`; else there is none */
    const char *thing; /* NULL: no thing, an operator's identity */
    const char *client_id;
    const char *policy;          /* name of the policy to attach; made if it is not there */
    const char *policy_document; /* with ARNs for this desk */
    bool one_more; /* the thing may be there and have certificates: it gets one more */
    void (*step)(const char *operation, const char *what); /* told of each; NULL: nobody */
};

/*
 * Key and CSR here, then thing, certificate, policy and attachments on the desk, then the folder.
 * A thing that is there without a certificate is taken as it is: so a run that was killed can be
 * repeated. With wish->board the CSR comes from it and the certificate goes to it. On a failure, or
 * once stop_asked(), what was made is taken back. An exit code, said.
 */
int bundle_make(const struct desk_info *desk, const struct bundle_wish *wish);

/*
 * The bundle in wish->dir, made if it is not there, and made anew if the desk does not know its
 * certificate: the database may be a new one. An address or CA that has changed is brought up to
 * date. Not for two at a time: it waits for its turn. An exit code, said.
 */
int bundle_ensure(const struct desk_info *desk, const struct bundle_wish *wish, struct bundle *out);

/*
 * The identity with which `elo sub`, `elo pub` and `elo demo` speak MQTT on the desk: allowed
 * everything, kept in DATA/operator/. Made at first use.
 */
int bundle_operator(const struct desk_info *desk, struct bundle *out);

/* The name to look for in a desk's certificate when it is reached by address. */
#define DESK_SERVER_NAME "elo-desk"

/* The least-privilege policy for devices of this desk, shared by all of them through the policy
 * variable ${iot:Connection.Thing.ThingName}. Free the buffer. */
#define DEVICE_POLICY "elo-device"
void device_policy(const struct desk_info *desk, struct buf *out);

/* --- between bundle.c and making.c ---------------------------------------------------------------
 */

/* DIR/NAME; false if that is too long (errno). */
bool bundle_path(const char *dir, const char *name, char out[PATH_MAX]);

/* Writes config.json for where the desk listens. ELO_E_TOO_LARGE, or as posix_file_write(). */
elo_err bundle_write_config(const struct desk_info *desk,
                            const char *thing,
                            const char *client_id,
                            const char *dir);

/* Removes a bundle's files and its folder, if nothing else is in it. */
bool bundle_remove(const char *dir);

#endif
