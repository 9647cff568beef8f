/* Coroutine switch for x86-64, System V ABI.
 *
 * A suspended coroutine's stack, from where its sp points upwards:
 *
 *     mxcsr (4 bytes), x87 control word (2, and 2 of padding)
 *     r15 r14 r13 r12 rbx rbp
 *     the address where it goes on
 *
 * It goes on by an indirect jump and not by `ret`: the return would go where the processor's
 * return stack does not expect it, and a wrong prediction costs more than all the rest of the switch
 * (2-5 ns with the jump, 7-19 with `ret`, depending on the machine).
 *
 * What takes longest is to store mxcsr, so that comes first; to look at what was stored would wait
 * for it, so the other one is loaded unseen, which is cheap. The x87 control word is cheap to look
 * at and dear to load: it is loaded only where it differs, which is next to never.
 *
 * Control-flow protection: the jump carries `notrack`, for it lands behind a call and not on an
 * endbr64. With a shadow stack this switch does not work (a shadow stack of its own for every
 * coroutine would need a system call or two each); so this file claims no such support in a
 * .note.gnu.property, and the linker then marks the whole program as not supporting it.
 */
    .text

/* void yk__coro_jump(void **save, void *to) */
    .globl  yk__coro_jump
    .hidden yk__coro_jump
    .type   yk__coro_jump, @function
    .p2align 4
yk__coro_jump:
    .cfi_startproc
    endbr64
    stmxcsr -56(%rsp)           /* below the stack, where signals write nothing */
    fnstcw  -52(%rsp)
    leaq    -56(%rsp), %rax
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq   %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq   %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    movq    %rax, (%rdi)

    /* The other stack has the same layout, so what was said about the frame stays true. */
    leaq    8(%rsi), %rsp
    ldmxcsr (%rsi)
    popq    %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq    %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq    %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq    %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    popq    %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    movzwl  4(%rax), %edx
    cmpw    %dx, 4(%rsi)
    jne     1f
    notrack jmp *%rcx
1:  fldcw   4(%rsi)
    notrack jmp *%rcx
    .cfi_endproc
    .size yk__coro_jump, .-yk__coro_jump

/* Where a new coroutine begins: fn in rbx, its argument in r12. Here every backtrace ends. */
    .type   start, @function
    .p2align 4
start:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    movq    %r12, %rdi
    call    *%rbx
    ud2
    .cfi_endproc
    .size start, .-start

/* void *yk__coro_frame(void *stack, size_t size, void (*fn)(void *), void *arg) */
    .globl  yk__coro_frame
    .hidden yk__coro_frame
    .type   yk__coro_frame, @function
    .p2align 4
yk__coro_frame:
    .cfi_startproc
    endbr64
    leaq    (%rdi,%rsi), %rax
    andq    $-16, %rax
    subq    $80, %rax           /* so that `start` runs with an aligned stack */
    stmxcsr (%rax)              /* a new coroutine begins with its maker's control words */
    fnstcw  4(%rax)
    movq    $0, 8(%rax)         /* r15 */
    movq    $0, 16(%rax)        /* r14 */
    movq    $0, 24(%rax)        /* r13 */
    movq    %rcx, 32(%rax)      /* r12: arg */
    movq    %rdx, 40(%rax)      /* rbx: fn */
    movq    $0, 48(%rax)        /* rbp: the end of the chain of frames */
    leaq    start(%rip), %rcx
    movq    %rcx, 56(%rax)
    movq    $0, 64(%rax)        /* what looks like a return address stops unwinders without CFI */
    movq    $0, 72(%rax)
    ret
    .cfi_endproc
    .size yk__coro_frame, .-yk__coro_frame

    .section .note.GNU-stack, "", @progbits
