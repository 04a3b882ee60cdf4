// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * AWS's exceptions as values: what the registry and the API answer when they refuse.
 * Names and statuses are those of the service models (rest-json).
 */
#ifndef ELO_SERVER_BASE_AWS_ERROR_H
#define ELO_SERVER_BASE_AWS_ERROR_H

/* X(name, HTTP status) */
#define AWS_ERROR_LIST(X)                                                                          \
    X(InvalidRequestException, 400)                                                                \
    X(MalformedPolicyException, 400)                                                               \
    X(InvalidResponseException, 400)                                                               \
    X(CertificateValidationException, 400)                                                         \
    X(RegistrationCodeValidationException, 400)                                                    \
    X(ResourceRegistrationFailureException, 400)                                                   \
    X(IncompleteSignatureException, 403)                                                           \
    X(UnauthorizedException, 401)                                                                  \
    X(ForbiddenException, 403)                                                                     \
    X(AccessDeniedException, 403)                                                                  \
    X(MissingAuthenticationTokenException, 403)                                                    \
    X(InvalidSignatureException, 403)                                                              \
    X(UnrecognizedClientException, 403)                                                            \
    X(ExpiredTokenException, 403)                                                                  \
    X(ResourceNotFoundException, 404)                                                              \
    X(UnknownOperationException, 404)                                                              \
    X(MethodNotAllowedException, 405)                                                              \
    X(CertificateStateException, 406)                                                              \
    X(ResourceAlreadyExistsException, 409)                                                         \
    X(DeleteConflictException, 409)                                                                \
    X(VersionConflictException, 409)                                                               \
    X(VersionsLimitExceededException, 409)                                                         \
    X(CertificateConflictException, 409)                                                           \
    X(ConflictingResourceUpdateException, 409)                                                     \
    X(ConflictException, 409)                                                                      \
    X(LimitExceededException, 410)                                                                 \
    X(RequestEntityTooLargeException, 413)                                                         \
    X(ThrottlingException, 429)                                                                    \
    X(InternalFailureException, 500)                                                               \
    X(ServiceUnavailableException, 503)                                                            \
    X(GatewayTimeoutException, 504)

typedef enum aws_error {
    AWS_OK = 0,
#define AWS_ERROR_ENUM(name, status) AWS_##name,
    AWS_ERROR_LIST(AWS_ERROR_ENUM)
#undef AWS_ERROR_ENUM
} aws_error;

/* A refusal with its particulars. `message` is what the caller of the API reads. */
struct aws_fault {
    aws_error error;
    char message[512];
    char resource_id[160]; /* ResourceAlreadyExists, Conflict; else empty */
    char resource_arn[256];
};

/* Sets the fault and returns `error`, so that a check is one line. */
aws_error aws_fault_set(struct aws_fault *fault, aws_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

const char *aws_error_name(aws_error error); /* "ResourceNotFoundException" */
int aws_error_status(aws_error error);       /* 404 */

#endif
