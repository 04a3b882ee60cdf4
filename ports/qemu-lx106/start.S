// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The first instructions, and the vectors. An exception is the end of the program: its registers
 * are saved, and board_panic() says what happened.
 */
    .section .reset, "ax"
    j       1f
    .align  4
where_to_start:
    .word   board_start
1:  l32r    a0, where_to_start
    jx      a0

    .section .vectors, "ax"
    .global board_vectors
board_vectors:
    .org 0x30   /* kernel */
    j       exception
    .org 0x50   /* user */
    j       exception
    .org 0x70   /* double */
    j       exception

    .section .start, "ax"
    .align  4
exception:
    wsr.excsave1 a0
    movi    a0, board_frame
    s32i    a1, a0, 4
    s32i    a2, a0, 8
    s32i    a3, a0, 12
    s32i    a4, a0, 16
    s32i    a5, a0, 20
    rsr.excsave1 a2
    s32i    a2, a0, 0
    rsr.exccause a2
    s32i    a2, a0, 24
    rsr.epc1 a2
    s32i    a2, a0, 28
    rsr.excvaddr a2
    s32i    a2, a0, 32
    movi    a1, board_panic_stack
    movi    a2, 0x20            /* no longer in an exception: a second one would hang */
    wsr.ps  a2
    rsync
    mov     a2, a0
    movi    a0, board_panic
    jx      a0

    .global board_start
    .align  4
board_start:
    movi    a2, 0x20            /* after reset PS.EXCM is set: every exception would be a double one */
    wsr.ps  a2
    rsync
    movi    a1, board_stack_top
    movi    a2, board_bss_begin
    movi    a3, board_bss_end
    movi    a4, 0
    bgeu    a2, a3, 2f
1:  s32i    a4, a2, 0
    addi    a2, a2, 4
    bltu    a2, a3, 1b
2:  movi    a2, board_stack_bottom
    movi    a4, 0xA5A5A5A5
3:  s32i    a4, a2, 0
    addi    a2, a2, 4
    bltu    a2, a1, 3b
    movi    a0, board_main
    callx0  a0
