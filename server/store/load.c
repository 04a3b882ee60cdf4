// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a table of queries, each with the function that makes a row of it. Rows come in
 * the order in which the registry sorts them, so that building its indexes only appends.
 */
#include "server/store/db.h"

static elo_span column_text(sqlite3_stmt *row, int column)
{
    const unsigned char *text = sqlite3_column_text(row, column);
    return elo_span_of(text, (size_t)sqlite3_column_bytes(row, column));
}

static elo_err row_thing(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_thing thing = {
        .name = column_text(row, 0),
        .id = column_text(row, 1),
        .type_name = column_text(row, 2),
        .attributes = column_text(row, 3),
        .version = sqlite3_column_int64(row, 4),
        .created_ms = sqlite3_column_int64(row, 5),
    };
    return to->thing ? to->thing(to->ctx, &thing) : ELO_OK;
}

static elo_err row_certificate(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_certificate certificate = {
        .id = column_text(row, 0),
        .pem = column_text(row, 1),
        .status = column_text(row, 2),
        .mode = column_text(row, 3),
        .ca_id = column_text(row, 4),
        .generation_id = column_text(row, 5),
        .created_ms = sqlite3_column_int64(row, 6),
        .modified_ms = sqlite3_column_int64(row, 7),
        .not_before_s = sqlite3_column_int64(row, 8),
        .not_after_s = sqlite3_column_int64(row, 9),
        .customer_version = sqlite3_column_int64(row, 10),
    };
    return to->certificate ? to->certificate(to->ctx, &certificate) : ELO_OK;
}

static elo_err row_policy(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_policy policy = {
        .name = column_text(row, 0),
        .generation_id = column_text(row, 1),
        .default_version = sqlite3_column_int64(row, 2),
        .next_version = sqlite3_column_int64(row, 3),
        .created_ms = sqlite3_column_int64(row, 4),
        .modified_ms = sqlite3_column_int64(row, 5),
    };
    return to->policy ? to->policy(to->ctx, &policy) : ELO_OK;
}

static elo_err row_policy_version(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_policy_version version = {
        .policy = column_text(row, 0),
        .version = sqlite3_column_int64(row, 1),
        .document = column_text(row, 2),
        .generation_id = column_text(row, 3),
        .created_ms = sqlite3_column_int64(row, 4),
    };
    return to->policy_version ? to->policy_version(to->ctx, &version) : ELO_OK;
}

static elo_err row_policy_target(const struct store_loader *to, sqlite3_stmt *row)
{
    return to->policy_target ? to->policy_target(to->ctx, column_text(row, 0), column_text(row, 1))
                             : ELO_OK;
}

static elo_err row_thing_principal(const struct store_loader *to, sqlite3_stmt *row)
{
    return to->thing_principal
               ? to->thing_principal(to->ctx, column_text(row, 0), column_text(row, 1),
                                     sqlite3_column_int(row, 2) != 0)
               : ELO_OK;
}

static elo_err row_thing_type(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_thing_type type = {
        .name = column_text(row, 0),
        .id = column_text(row, 1),
        .description = column_text(row, 2),
        .searchable = column_text(row, 3),
        .created_ms = sqlite3_column_int64(row, 4),
        .deprecated_ms = sqlite3_column_int64(row, 5),
    };
    return to->thing_type ? to->thing_type(to->ctx, &type) : ELO_OK;
}

static elo_err row_thing_group(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_thing_group group = {
        .name = column_text(row, 0),
        .id = column_text(row, 1),
        .parent = column_text(row, 2),
        .description = column_text(row, 3),
        .attributes = column_text(row, 4),
        .version = sqlite3_column_int64(row, 5),
        .created_ms = sqlite3_column_int64(row, 6),
    };
    return to->thing_group ? to->thing_group(to->ctx, &group) : ELO_OK;
}

static elo_err row_group_member(const struct store_loader *to, sqlite3_stmt *row)
{
    return to->group_member ? to->group_member(to->ctx, column_text(row, 0), column_text(row, 1))
                            : ELO_OK;
}

static elo_err row_ca(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_ca ca = {
        .id = column_text(row, 0),
        .pem = column_text(row, 1),
        .status = column_text(row, 2),
        .mode = column_text(row, 3),
        .subject = column_text(row, 4),
        .auto_registration = sqlite3_column_int(row, 5) != 0,
        .template_name = column_text(row, 6),
        .template_body = column_text(row, 7),
        .role_arn = column_text(row, 8),
        .generation_id = column_text(row, 9),
        .created_ms = sqlite3_column_int64(row, 10),
        .modified_ms = sqlite3_column_int64(row, 11),
        .not_before_s = sqlite3_column_int64(row, 12),
        .not_after_s = sqlite3_column_int64(row, 13),
        .customer_version = sqlite3_column_int64(row, 14),
    };
    return to->ca ? to->ca(to->ctx, &ca) : ELO_OK;
}

static elo_err row_template(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_template template = {
        .name = column_text(row, 0),
        .type = column_text(row, 1),
        .description = column_text(row, 2),
        .role_arn = column_text(row, 3),
        .hook = column_text(row, 4),
        .enabled = sqlite3_column_int(row, 5) != 0,
        .default_version = sqlite3_column_int64(row, 6),
        .next_version = sqlite3_column_int64(row, 7),
        .created_ms = sqlite3_column_int64(row, 8),
        .modified_ms = sqlite3_column_int64(row, 9),
    };
    return to->provisioning_template ? to->provisioning_template(to->ctx, &template) : ELO_OK;
}

static elo_err row_template_version(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_template_version version = {
        .template_name = column_text(row, 0),
        .version = sqlite3_column_int64(row, 1),
        .body = column_text(row, 2),
        .created_ms = sqlite3_column_int64(row, 3),
    };
    return to->template_version ? to->template_version(to->ctx, &version) : ELO_OK;
}

static elo_err row_setting(const struct store_loader *to, sqlite3_stmt *row)
{
    return to->setting ? to->setting(to->ctx, column_text(row, 0), column_text(row, 1)) : ELO_OK;
}

static elo_span column_blob(sqlite3_stmt *row, int column)
{
    const void *bytes = sqlite3_column_blob(row, column);
    return elo_span_of(bytes, (size_t)sqlite3_column_bytes(row, column));
}

static elo_err row_session(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_session session = {
        .id = sqlite3_column_int64(row, 0),
        .client_id = column_text(row, 1),
        .level = sqlite3_column_int64(row, 2),
        .expiry_ms = sqlite3_column_int64(row, 3),
        .offline_ms = sqlite3_column_int64(row, 4),
    };
    return to->session(to->ctx, &session);
}

static elo_err row_subscription(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_subscription subscription = {
        .session = sqlite3_column_int64(row, 0),
        .filter = column_text(row, 1),
        .qos = sqlite3_column_int64(row, 2),
        .options = sqlite3_column_int64(row, 3),
    };
    return to->subscription(to->ctx, &subscription);
}

/* Five columns from `at` on. */
static struct store_message message_at(sqlite3_stmt *row, int at)
{
    return (struct store_message){
        .topic = column_text(row, at),
        .payload = column_blob(row, at + 1),
        .properties = column_blob(row, at + 2),
        .qos = sqlite3_column_int64(row, at + 3),
        .expires_ms = sqlite3_column_int64(row, at + 4),
    };
}

static elo_err row_message(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_message message = message_at(row, 1);
    return to->message(to->ctx, sqlite3_column_int64(row, 0), &message);
}

static elo_err row_queued(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_queued queued = {
        .id = sqlite3_column_int64(row, 0),
        .session = sqlite3_column_int64(row, 1),
        .message = sqlite3_column_int64(row, 2),
        .flags = sqlite3_column_int64(row, 3),
    };
    return to->queued(to->ctx, &queued);
}

static elo_err row_retained(const struct store_loader *to, sqlite3_stmt *row)
{
    const struct store_message message = message_at(row, 0);
    return to->retained(to->ctx, &message, sqlite3_column_int64(row, 5));
}

struct query {
    const char *sql;
    elo_err (*row)(const struct store_loader *to, sqlite3_stmt *row);
};

static const struct query of_registry[] = {
    {"SELECT name, id, description, searchable, created_ms, deprecated_ms FROM thing_type"
     " ORDER BY name",
     row_thing_type},
    {"SELECT name, id, type_name, attributes, version, created_ms FROM thing ORDER BY name",
     row_thing},
    {"SELECT id, pem, status, mode, ca_id, generation_id, created_ms, modified_ms, not_before_s,"
     " not_after_s, customer_version FROM certificate ORDER BY created_ms, id",
     row_certificate},
    {"SELECT name, generation_id, default_version, next_version, created_ms, modified_ms"
     " FROM policy ORDER BY created_ms, name",
     row_policy},
    {"SELECT policy, version, document, generation_id, created_ms FROM policy_version"
     " ORDER BY policy, version",
     row_policy_version},
    {"SELECT name, id, parent, description, attributes, version, created_ms FROM thing_group"
     " ORDER BY name",
     row_thing_group},
    {"SELECT policy, target_arn FROM policy_target ORDER BY policy, target_arn", row_policy_target},
    {"SELECT thing, principal_arn, exclusive FROM thing_principal ORDER BY thing, principal_arn",
     row_thing_principal},
    {"SELECT thing_group, thing FROM group_member ORDER BY thing_group, thing", row_group_member},
    {"SELECT id, pem, status, mode, subject, auto_registration, template_name, template_body,"
     " role_arn, generation_id, created_ms, modified_ms, not_before_s, not_after_s,"
     " customer_version FROM ca_certificate ORDER BY created_ms, id",
     row_ca},
    {"SELECT name, type, description, role_arn, hook, enabled, default_version, next_version,"
     " created_ms, modified_ms FROM template ORDER BY name",
     row_template},
    {"SELECT template, version, body, created_ms FROM template_version ORDER BY template, version",
     row_template_version},
    {"SELECT name, value FROM setting ORDER BY name", row_setting},
};

static const struct query of_broker[] = {
    {"SELECT id, client_id, level, expiry_ms, offline_ms FROM session ORDER BY id", row_session},
    {"SELECT session, filter, qos, options FROM subscription ORDER BY session, filter",
     row_subscription},
    {"SELECT id, topic, payload, properties, qos, expires_ms FROM message ORDER BY id",
     row_message},
    {"SELECT id, session, message, flags FROM queued ORDER BY id", row_queued},
    {"SELECT topic, payload, properties, qos, expires_ms, modified_ms FROM retained", row_retained},
};

/* SQLite may have to copy a text to terminate it: out of memory it answers NULL, not an error. */
static bool texts_are_there(sqlite3_stmt *row)
{
    for (int i = 0; i < sqlite3_column_count(row); i++) {
        if (sqlite3_column_type(row, i) == SQLITE_TEXT && !sqlite3_column_text(row, i)) {
            return false;
        }
    }
    return true;
}

static elo_err run(sqlite3_stmt *rows,
                   const struct store_loader *loader,
                   elo_err (*row)(const struct store_loader *to, sqlite3_stmt *row))
{
    for (;;) {
        int rc = sqlite3_step(rows);
        if (rc != SQLITE_ROW) {
            return rc == SQLITE_DONE ? ELO_OK : store__db_error(rc);
        }
        elo_err err = texts_are_there(rows) ? row(loader, rows) : ELO_E_NO_MEMORY;
        if (err) {
            return err;
        }
    }
}

static elo_err load_all(struct store_db *db,
                        const struct store_loader *loader,
                        const struct query *queries,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sqlite3_stmt *rows = NULL;
        int rc = sqlite3_prepare_v2(db->sqlite, queries[i].sql, -1, &rows, NULL);
        elo_err err = rc == SQLITE_OK ? run(rows, loader, queries[i].row) : store__db_error(rc);
        sqlite3_finalize(rows);
        if (err) {
            return err;
        }
    }
    return ELO_OK;
}

elo_err store__db_load(struct store_db *db, const struct store_loader *loader)
{
    return loader->session
               ? load_all(db, loader, of_broker, sizeof of_broker / sizeof *of_broker)
               : load_all(db, loader, of_registry, sizeof of_registry / sizeof *of_registry);
}
