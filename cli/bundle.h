// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A bundle: the folder that makes a device - what `elo add` writes and `elo device`, a board or any
 * MQTT client reads.
 *
 *     ca.pem       whom to trust          config.json
 * {"thingName","clientId","host","port","prefix"} cert.pem     the device's certificate key.pem its
 * P-256 key, mode 0600
 *
 * A bundle appears whole or not at all: it is written beside and renamed into place.
 */
#ifndef ELO_CLI_BUNDLE_H
#define ELO_CLI_BUNDLE_H

#include "cli/desk.h"

struct bundle {
    char dir[PATH_MAX];
    char thing[130]; /* empty: an identity without a thing */
    char client_id[130];
    char prefix[160];      /* of its topics: "elo/kitchen" */
    char host[256];        /* where to connect: a name or an address */
    char server_name[256]; /* what the server's certificate must say, and SNI: a name */
    int port;
    struct buf ca, cert, key; /* PEM texts, NUL-terminated beyond their length */
};

/* Reads and checks a bundle. An exit code; what is wrong has been said. */
int bundle_load(const char *dir, struct bundle *out);
void bundle_free(struct bundle *b); /* wipes the key */

/* What to make. */
struct bundle_wish {
    const char *dir;
    const char *thing; /* NULL: no thing, an operator's identity */
    const char *client_id;
    const char *policy;          /* name of the policy to attach; made if it is not there */
    const char *policy_document; /* with ARNs for this desk */
    bool quiet;
};

/*
 * Key and CSR here, then thing, certificate, policy and attachments on the desk, then the folder.
 * On a failure what was made on the desk is taken back. An exit code, said.
 */
int bundle_make(const struct desk_info *desk, const struct bundle_wish *wish);

/* Rewrites a bundle's config.json for where the desk listens now. An exit code, said. */
int bundle_readdress(const char *dir, const struct desk_info *desk);

/*
 * The identity with which `elo sub`, `elo pub` and `elo demo` speak MQTT on the desk: allowed
 * everything, kept in DATA/operator/. Made at first use.
 */
int bundle_operator(const struct desk_info *desk, struct bundle *out);

/* The name to look for in a desk's certificate when it is reached by address. */
#define DESK_SERVER_NAME "elo-desk"

/* The least-privilege policy for devices of this desk, shared by all of them through the policy
 * variable ${iot:Connection.Thing.ThingName}. */
#define DEVICE_POLICY "elo-device"
void device_policy(const struct desk_info *desk, struct buf *out);

#endif
