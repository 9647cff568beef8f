/* Coroutine switch for AArch64, AAPCS64.
 *
 * A suspended coroutine's stack, from where its sp points upwards: x19 to x28, x29 (frame), x30
 * (where it goes on), d8 to d15, the floating-point control register, and 8 bytes of padding.
 *
 * It goes on by an indirect branch and not by `ret`, whose prediction would be wrong. The branch
 * lands behind a call and not on a landing pad, and return addresses are not signed here; so this
 * file claims neither BTI nor PAC in a .note.gnu.property, and the linker does not mark the program.
 */
    .text

    .equ    FRAME, 176

/* void yk__coro_jump(void **save, void *to) */
    .globl  yk__coro_jump
    .hidden yk__coro_jump
    .type   yk__coro_jump, %function
    .p2align 4
yk__coro_jump:
    .cfi_startproc
    sub     sp, sp, #FRAME
    .cfi_adjust_cfa_offset FRAME
    stp     x19, x20, [sp, #0]
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    stp     d8, d9, [sp, #96]
    stp     d10, d11, [sp, #112]
    stp     d12, d13, [sp, #128]
    stp     d14, d15, [sp, #144]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    mrs     x9, fpcr
    str     x9, [sp, #160]
    mov     x10, sp
    str     x10, [x0]

    /* The other stack has the same layout, so what was said about the frame stays true. */
    mov     sp, x1
    ldr     x11, [sp, #160]
    cmp     x9, x11
    b.eq    1f
    msr     fpcr, x11           /* slow on many processors */
1:
    ldp     x19, x20, [sp, #0]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     d8, d9, [sp, #96]
    ldp     d10, d11, [sp, #112]
    ldp     d12, d13, [sp, #128]
    ldp     d14, d15, [sp, #144]
    add     sp, sp, #FRAME
    .cfi_adjust_cfa_offset -FRAME
    .cfi_restore x29
    .cfi_restore x30
    mov     x16, x30
    br      x16
    .cfi_endproc
    .size yk__coro_jump, .-yk__coro_jump

/* Where a new coroutine begins: fn in x19, its argument in x20. Here every backtrace ends. */
    .type   start, %function
    .p2align 4
start:
    .cfi_startproc
    .cfi_undefined x30
    mov     x0, x20
    blr     x19
    brk     #1
    .cfi_endproc
    .size start, .-start

/* void *yk__coro_frame(void *stack, size_t size, void (*fn)(void *), void *arg) */
    .globl  yk__coro_frame
    .hidden yk__coro_frame
    .type   yk__coro_frame, %function
    .p2align 4
yk__coro_frame:
    .cfi_startproc
    add     x9, x0, x1
    and     x9, x9, #-16
    sub     x9, x9, #(FRAME + 16)
    stp     x2, x3, [x9, #0]    /* x19: fn, x20: arg */
    stp     xzr, xzr, [x9, #16]
    stp     xzr, xzr, [x9, #32]
    stp     xzr, xzr, [x9, #48]
    stp     xzr, xzr, [x9, #64]
    adr     x10, start
    stp     xzr, x10, [x9, #80] /* x29: the end of the chain of frames; x30 */
    stp     xzr, xzr, [x9, #96]
    stp     xzr, xzr, [x9, #112]
    stp     xzr, xzr, [x9, #128]
    stp     xzr, xzr, [x9, #144]
    mrs     x10, fpcr           /* a new coroutine begins with its maker's control word */
    stp     x10, xzr, [x9, #160]
    stp     xzr, xzr, [x9, #FRAME]
    mov     x0, x9
    ret
    .cfi_endproc
    .size yk__coro_frame, .-yk__coro_frame

    .section .note.GNU-stack, "", %progbits
