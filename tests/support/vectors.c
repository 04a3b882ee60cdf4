// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "tests/support/vectors.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct bytes {
    uint8_t *ptr;
    size_t len;
};

static void *grown(void *block, size_t bytes)
{
    void *bigger = realloc(block, bytes != 0 ? bytes : 1);
    if (!bigger) {
        perror("vectors");
        abort();
    }
    return bigger;
}

static void append(struct bytes *b, uint8_t byte, size_t times)
{
    b->ptr = grown(b->ptr, b->len + times);
    memset(b->ptr + b->len, byte, times);
    b->len += times;
}

static int digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* "text": the bytes up to the next quote. */
static const char *quoted(const char *p, struct bytes *out)
{
    for (p++; *p && *p != '"'; p++) {
        append(out, (uint8_t)*p, 1);
    }
    return *p ? p + 1 : NULL;
}

/* Two digits, and perhaps *N for N times. */
static const char *pair(const char *p, struct bytes *out)
{
    if (digit(p[0]) < 0 || digit(p[1]) < 0) {
        return NULL;
    }
    uint8_t byte = (uint8_t)(digit(p[0]) * 16 + digit(p[1]));
    unsigned long times = 1;
    char *end = (char *)(uintptr_t)(p + 2);
    if (p[2] == '*') {
        times = strtoul(p + 3, &end, 10);
        if (end == p + 3) {
            return NULL;
        }
    }
    append(out, byte, times);
    return end;
}

bool vectors_parse_hex(const char *text, uint8_t **out_bytes, size_t *out_len)
{
    struct bytes b = {NULL, 0};
    const char *p = text;
    while (p && *p) {
        p = isspace((unsigned char)*p) ? p + 1 : *p == '"' ? quoted(p, &b) : pair(p, &b);
    }
    if (!p) {
        free(b.ptr);
        return false;
    }
    *out_bytes = grown(b.ptr, b.len);
    *out_len = b.len;
    return true;
}

static _Noreturn void mistake(const char *path, unsigned line, const char *what)
{
    fprintf(stderr, "%s:%u: %s\n", path, line, what);
    exit(2);
}

static char *trimmed(char *text)
{
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        text[--len] = '\0';
    }
    return text;
}

static char *copied(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(grown(NULL, size), text, size);
}

static void open_vector(struct vectors *v, const char *path, unsigned line, char *text)
{
    size_t len = strlen(text);
    if (len < 3 || text[len - 1] != ']') {
        mistake(path, line, "a name looks like [name]");
    }
    text[len - 1] = '\0';
    v->items = grown(v->items, (v->count + 1) * sizeof *v->items);
    v->items[v->count++] =
        (struct vector){.file = path, .line = line, .name = copied(trimmed(text + 1))};
}

static void add_hex(struct vector *v, unsigned line, const char *value)
{
    uint8_t *more;
    size_t len;
    if (!vectors_parse_hex(value, &more, &len)) {
        mistake(v->file, line, "hex is pairs of digits, \"text\", and XX*N for N times XX");
    }
    v->bytes = grown(v->bytes, v->len + len);
    memcpy(v->bytes + v->len, more, len);
    v->len += len;
    free(more);
}

static void add_field(struct vector *v, unsigned line, char *text)
{
    size_t key_len = strcspn(text, " \t");
    char *value = text + key_len;
    if (*value) {
        *value++ = '\0';
    }
    value = trimmed(value);
    if (strcmp(text, "hex") == 0) {
        add_hex(v, line, value);
        return;
    }
    if (vector_get(v, text)) {
        mistake(v->file, line, "this field is there already");
    }
    v->fields = grown(v->fields, (v->field_count + 1) * sizeof *v->fields);
    v->fields[v->field_count++] = (struct vector_field){copied(text), copied(value)};
}

static void add_line(struct vectors *v, const char *path, unsigned line, char *text)
{
    text = trimmed(text);
    if (*text == '\0' || *text == '#') {
        return;
    }
    if (*text == '[') {
        open_vector(v, path, line, text);
    } else if (v->count == 0 || v->items[v->count - 1].file != path) {
        mistake(path, line, "a field before the first [name]");
    } else {
        add_field(&v->items[v->count - 1], line, text);
    }
}

void vectors_add(struct vectors *v, const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(2);
    }
    char *text = NULL;
    size_t size = 0;
    unsigned line = 0;
    while (getline(&text, &size, file) >= 0) {
        add_line(v, path, ++line, text);
    }
    free(text);
    fclose(file);
}

void vectors_free(struct vectors *v)
{
    for (size_t i = 0; i < v->count; i++) {
        struct vector *item = &v->items[i];
        for (size_t k = 0; k < item->field_count; k++) {
            free(item->fields[k].key);
            free(item->fields[k].value);
        }
        free(item->fields);
        free(item->bytes);
        free(item->name);
    }
    free(v->items);
    *v = (struct vectors){0};
}

const char *vector_get(const struct vector *v, const char *key)
{
    for (size_t i = 0; i < v->field_count; i++) {
        if (strcmp(v->fields[i].key, key) == 0) {
            return v->fields[i].value;
        }
    }
    return NULL;
}
