// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#ifndef LITTLEFS_DECLARED_H
#define LITTLEFS_DECLARED_H

#include "Stream.h"

class LittleFSConfig
{
  public:
    void setAutoFormat(bool on);
};

class File
{
  public:
    explicit operator bool() const;
    size_t size() const;
    int read(uint8_t *out, size_t cap);
    size_t write(const uint8_t *bytes, size_t len);
    void close();

    FILE *_file = nullptr; /* of the host run */
};

class FS
{
  public:
    bool setConfig(const LittleFSConfig &config);
    bool begin();
    void end();
    File open(const char *path, const char *mode);
    bool exists(const char *path);
    bool rename(const char *from, const char *to);
    bool remove(const char *path);
};
extern FS LittleFS;

#endif
