/* Interrupts of a task: see interrupt.h. */
#include "interrupt.h"

void yk__interrupt_lay(yk__interrupt *in, yk__task *t, void (*forgotten)(yk__interrupt *in))
{
    *in = (yk__interrupt){ .outer = t->interrupts,
                           .task = t,
                           .cancels = t->cancels_told,
                           .laid = t->tellings,
                           .forgotten = forgotten };
    t->interrupts = in;
}

void yk__interrupt_lift(yk__interrupt *in)
{
    in->task->interrupts = in->outer;
}

void yk__interrupt_now(yk__interrupt *in)
{
    if (in->due)
        return;
    in->due = true;
    yk__task_interrupted(in->task);
}

bool yk__interrupt_was_it(const yk__interrupt *in)
{
    if (!in->told || in->task->cancels_told > in->cancels)
        return false;
    for (const yk__interrupt *o = in->outer; o; o = o->outer)
        if (o->told > in->laid)
            return false;
    return true;
}

bool yk__interrupt_is_due(const yk__task *t)
{
    for (const yk__interrupt *in = t->interrupts; in; in = in->outer)
        if (in->due && !in->told)
            return true;
    return false;
}

bool yk__interrupt_tell(yk__task *t)
{
    if (!yk__interrupt_is_due(t))
        return false;
    t->tellings++;
    for (yk__interrupt *in = t->interrupts; in; in = in->outer)
        if (in->due && !in->told)
            in->told = t->tellings;
    return true;
}

void yk__interrupt_forget_all(yk__task *t)
{
    yk__interrupt *in;
    while ((in = t->interrupts) != NULL) {
        yk__interrupt_lift(in);
        yk__log("task '%s' ended inside of a time-out or scope that it had not ended", t->name);
        in->forgotten(in);
    }
}
