// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "ports/posix/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "ports/posix/file.h"

void posix_serial_init(struct posix_serial *s)
{
    s->fd = -1;
}

void posix_serial_close(struct posix_serial *s)
{
    if (s->fd >= 0) {
        close(s->fd); /* the lock goes with it */
    }
    s->fd = -1;
}

static elo_err set_up(int fd)
{
    struct termios t;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? ELO_E_CONFLICT : posix_file_error(errno);
    }
    if (tcgetattr(fd, &t) != 0) {
        return ELO_E_UNSUPPORTED;
    }
    cfmakeraw(&t);
    t.c_cflag |= CLOCAL | CREAD | CS8;
    t.c_cflag &= (tcflag_t) ~(HUPCL | CSTOPB | PARENB | CRTSCTS);
    t.c_cc[VMIN] = 0;
    t.c_cc[VTIME] = 0;
    if (cfsetspeed(&t, B115200) != 0 || tcsetattr(fd, TCSANOW, &t) != 0) {
        return ELO_E_UNSUPPORTED;
    }
    (void)ioctl(fd, TIOCEXCL); /* a pseudo-terminal may have none */
    return ELO_OK;
}

elo_err posix_serial_open(struct posix_serial *s, const char *path)
{
    posix_serial_close(s);
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno == EBUSY ? ELO_E_CONFLICT : posix_file_error(errno);
    }
    elo_err err = set_up(fd);
    if (err != ELO_OK) {
        int error = errno;
        close(fd);
        errno = error;
        return err;
    }
    s->fd = fd;
    return ELO_OK;
}

void posix_serial_reset(struct posix_serial *s, bool hold)
{
    int rts = TIOCM_RTS, dtr = TIOCM_DTR;
    (void)ioctl(s->fd, TIOCMBIC, &dtr); /* DTR inactive: GPIO0 stays high, the program starts */
    (void)ioctl(s->fd, hold ? TIOCMBIS : TIOCMBIC, &rts);
}

/* EIO: a USB adapter that was pulled out, or a pseudo-terminal whose other end is closed. */
static elo_err reason(ssize_t n, elo_err again)
{
    if (n == 0 || errno == EIO || errno == ENXIO || errno == ENODEV) {
        return ELO_END;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? again : posix_file_error(errno);
}

elo_err posix_serial_recv(struct posix_serial *s, uint8_t *buf, size_t cap, size_t *out_len)
{
    ssize_t n;
    do {
        n = read(s->fd, buf, cap);
    } while (n < 0 && errno == EINTR);
    *out_len = n > 0 ? (size_t)n : 0;
    if (n == 0) { /* VMIN 0: nothing there, not the end */
        return ELO_NEED_MORE;
    }
    return n > 0 ? ELO_OK : reason(n, ELO_NEED_MORE);
}

elo_err posix_serial_send(struct posix_serial *s, elo_span bytes, size_t *out_len)
{
    ssize_t n;
    do {
        n = write(s->fd, bytes.ptr, bytes.len);
    } while (n < 0 && errno == EINTR);
    *out_len = n > 0 ? (size_t)n : 0;
    return n > 0 ? ELO_OK : reason(n, ELO_NEED_ROOM);
}
