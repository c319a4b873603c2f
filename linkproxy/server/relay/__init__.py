"""The SMTP relay: mail in, the same mail out with its links tracked (docs/relay.md).

    mailer -> conversation -> transaction -> upstream server     MAIL and RCPT are passed on as they come
    whole message -> choice -> treatment -> transaction          and the message when it is complete

Nothing is queued: a mailer hears of success when the upstream server has said so.
"""
