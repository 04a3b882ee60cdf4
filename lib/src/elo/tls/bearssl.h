// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * BearSSL's headers, wherever the machine keeps them: <bearssl/bearssl.h> on Debian and in the
 * ESP8266 Arduino core, <bearssl.h> in BearSSL's own source tree.
 *
 * The core's BearSSL is a fork. Of what this library calls, one function differs: its decoder of
 * certificates is also told where the issuer's name goes. ELO_TLS_BEARSSL_CORE says which it is.
 */
#ifndef ELO_TLS_BEARSSL_H
#define ELO_TLS_BEARSSL_H

#if defined(__has_include)
#if __has_include(<bearssl/bearssl.h>)
#define ELO_TLS_BEARSSL_IN_FOLDER
#endif
#endif

#if defined(__has_include)
#if __has_include(<bearssl/bearssl_port.h>) || __has_include(<bearssl_port.h>)
#define ELO_TLS_BEARSSL_CORE
#endif
#endif

#ifdef ELO_TLS_BEARSSL_IN_FOLDER
#include <bearssl/bearssl.h>
#else
#include <bearssl.h>
#endif

#endif
