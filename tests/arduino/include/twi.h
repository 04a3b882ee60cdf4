// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The core's I2C, bit by bit on two pins. 0: done. */
#ifndef TWI_DECLARED_H
#define TWI_DECLARED_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void twi_init(unsigned char sda, unsigned char scl);
void twi_setClock(unsigned int hz);
void twi_setClockStretchLimit(uint32_t us);
uint8_t twi_status(void);
uint8_t
twi_writeTo(unsigned char address, unsigned char *bytes, unsigned int len, unsigned char stop);
uint8_t
twi_readFrom(unsigned char address, unsigned char *bytes, unsigned int len, unsigned char stop);

#ifdef __cplusplus
}
#endif

#endif
