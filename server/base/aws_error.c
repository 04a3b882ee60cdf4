// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/base/aws_error.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name;
    int status;
} errors[] = {{"", 200},
#define ROW(name, status) {#name, status},
              AWS_ERROR_LIST(ROW)
#undef ROW
};

aws_error aws_fault_set(struct aws_fault *fault, aws_error error, const char *format, ...)
{
    fault->error = error;
    fault->resource_id[0] = '\0';
    fault->resource_arn[0] = '\0';
    va_list args;
    va_start(args, format);
    vsnprintf(fault->message, sizeof fault->message, format, args);
    va_end(args);
    return error;
}

const char *aws_error_name(aws_error error)
{
    return errors[error].name;
}

int aws_error_status(aws_error error)
{
    return errors[error].status;
}
