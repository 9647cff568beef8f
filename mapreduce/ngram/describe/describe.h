/* mapreduce/ngram/describe/describe.h - what is made of the commands' tables: manual pages and
 * shell completion. Only the build runs it. */
#ifndef NGRAM_DESCRIBE_H
#define NGRAM_DESCRIBE_H

#include <stdio.h>

#include "../commands.h"

/* The page of the tool, and of one command. */
void describe_man(FILE *to, const ngram_command *const *commands);
void describe_man_of(FILE *to, const ngram_command *command);

void describe_bash(FILE *to, const ngram_command *const *commands);
void describe_zsh(FILE *to, const ngram_command *const *commands);
void describe_fish(FILE *to, const ngram_command *const *commands);

/* Calls `each` for every option of a command, those that all have included. */
void describe_options(const ngram_command *command,
                      void (*each)(FILE *to, const ngram_option *option), FILE *to);

#endif
