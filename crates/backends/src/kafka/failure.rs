//! What a failure of Kafka means for the caller.

use parapet_ports::{ErrorKind, PortError};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// The error at the seam. Whatever is not known to be permanent may work later.
pub(crate) fn port_error(stream: &str, doing: &str, error: &KafkaError) -> PortError {
    let (kind, hint) = match (error, code(error)) {
        // Its text would show the value, which may be a password.
        (KafkaError::ClientConfig(_, description, key, _), _) => {
            return PortError::new(ErrorKind::Config, format!("{stream}: {doing}: {key}: {description}"));
        }
        (_, Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::InvalidMessage)) => {
            (ErrorKind::Rejected, "")
        }
        (_, Some(Code::Authentication | Code::SaslAuthenticationFailed)) => {
            (ErrorKind::Config, "; check `username` and `password`")
        }
        (
            _,
            Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed),
        ) => (ErrorKind::Config, "; the user lacks a permission"),
        (_, Some(Code::UnknownTopicOrPartition | Code::UnknownTopic)) => {
            (ErrorKind::Unavailable, "; the topic is gone")
        }
        (_, Some(Code::QueueFull)) => (ErrorKind::Full, "; too much is on its way to the brokers already"),
        _ => (ErrorKind::Unavailable, ""),
    };
    PortError::new(kind, format!("{stream}: {doing}{hint}: {error}"))
}

/// The library's code of an error, which `rdkafka` leaves out for administration.
pub(crate) fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}
