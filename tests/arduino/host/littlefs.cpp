// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* LittleFS: a folder of the PC. */
#include "fake.h"

#include <Arduino.h>
#include <LittleFS.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

FS LittleFS;

void LittleFSConfig::setAutoFormat(bool)
{
}

bool FS::setConfig(const LittleFSConfig &)
{
    return true;
}

bool FS::begin()
{
    return !fake_text("FAKE_FS").empty();
}

void FS::end()
{
}

File FS::open(const char *path, const char *mode)
{
    File file;
    file._file = fopen((fake_text("FAKE_FS") + path).c_str(), mode);
    return file;
}

bool FS::exists(const char *path)
{
    return access((fake_text("FAKE_FS") + path).c_str(), F_OK) == 0;
}

bool FS::rename(const char *from, const char *to)
{
    return ::rename((fake_text("FAKE_FS") + from).c_str(), (fake_text("FAKE_FS") + to).c_str()) ==
           0;
}

bool FS::remove(const char *path)
{
    return ::remove((fake_text("FAKE_FS") + path).c_str()) == 0;
}

File::operator bool() const
{
    return _file != nullptr;
}

size_t File::size() const
{
    struct stat st;
    return fstat(fileno(_file), &st) == 0 ? (size_t)st.st_size : 0;
}

int File::read(uint8_t *out, size_t cap)
{
    return (int)fread(out, 1, cap, _file);
}

size_t File::write(const uint8_t *bytes, size_t len)
{
    return fwrite(bytes, 1, len, _file);
}

void File::close()
{
    if (_file != nullptr) {
        fclose(_file);
    }
    _file = nullptr;
}
