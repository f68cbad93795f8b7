//! Server reflection: tells tools which services and messages there are, with their documentation.
//!
//! A question that has no answer is answered so, and the stream goes on: clients ask on one stream
//! for all that they want to know. Its messages are those of both versions, v1 and v1alpha.
use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::Body;
use prost_reflect::{DescriptorError, DescriptorPool, FileDescriptor, MessageDescriptor};
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::{
    body::{ResponseBody, StreamLimits},
    context::RequestContext,
    reply::framed,
    request_body::RequestBodies,
    status,
    stream::open,
    unary::refuse,
    upload::Upload,
};

/// How many streams of requests may be open at once.
const STREAMS_MAX: usize = 100;
/// How long a stream without requests stays open; its caller may open another.
const IDLE: Duration = Duration::from_mins(1);

/// Answers questions about descriptors.
pub(super) struct Reflection {
    contract: Arc<DescriptorPool>,
    streams: Arc<Semaphore>,
}

impl Reflection {
    /// Reflects on sets of encoded files.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read.
    pub(super) fn of(sets: &[&'static [u8]]) -> Result<Self, DescriptorError> {
        let mut contract = DescriptorPool::new();
        for set in sets {
            contract.decode_file_descriptor_set(*set)?;
        }
        Ok(Self {
            contract: Arc::new(contract),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        })
    }

    /// Answers the questions of one call, until it asks no more, or the replica leaves.
    pub(super) fn answer<B>(
        &self,
        request: Request<B>,
        call: &RequestContext,
        bodies: &RequestBodies,
        shutdown: &CancellationToken,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let Ok(permit) = Arc::clone(&self.streams).try_acquire_owned() else {
            let status = status::overloaded("too many streams of reflection are open");
            return refuse(&status, call);
        };
        let limits = StreamLimits {
            permit,
            shutdown: shutdown.clone(),
            gate: None,
        };
        let (head, body) = request.into_parts();
        let questions = Upload::new(body, head.headers, bodies, call);
        let contract = Arc::clone(&self.contract);
        let answers = stream::try_unfold((questions, contract), next_answer);
        open(answers.boxed(), call, limits)
    }
}

type Questions<B> = (Upload<B>, Arc<DescriptorPool>);

async fn next_answer<B>(
    (mut questions, contract): Questions<B>,
) -> Result<Option<(Bytes, Questions<B>)>, Status>
where
    B: Body<Data = Bytes> + Unpin,
{
    let begins = timeout(IDLE, questions.begins()).await;
    if !begins.unwrap_or(Ok(false))? {
        return Ok(None);
    }
    let question = questions.next().await?;
    let answer = question.map(|question| framed(&answer(&contract, question)));
    Ok(answer.map(|answer| (answer, (questions, contract))))
}

fn answer(
    contract: &DescriptorPool,
    question: ServerReflectionRequest,
) -> ServerReflectionResponse {
    let answer = match &question.message_request {
        Some(MessageRequest::ListServices(_)) => {
            let services = contract.services();
            let mut names: Vec<_> = services.map(|it| it.full_name().to_owned()).collect();
            names.sort_unstable();
            let service = names.into_iter().map(|name| ServiceResponse { name });
            let service = service.collect();
            MessageResponse::ListServicesResponse(ListServiceResponse { service })
        }
        Some(MessageRequest::FileByFilename(name)) => {
            found("file", name, contract.get_file_by_name(name))
        }
        Some(MessageRequest::FileContainingSymbol(name)) => {
            found("symbol", name, defining_file(contract, name))
        }
        // google.api.http, which says how a method is called by HTTP.
        Some(MessageRequest::FileContainingExtension(asked)) => {
            let number = u32::try_from(asked.extension_number).unwrap_or(0);
            let extension = contract.get_message_by_name(&asked.containing_type);
            let extension = extension.and_then(|of| of.get_extension(number));
            let file = extension.map(|extension| extension.parent_file());
            found("extension of", &asked.containing_type, file)
        }
        Some(MessageRequest::AllExtensionNumbersOfType(name)) => {
            let extensions = contract.get_message_by_name(name).into_iter();
            let extensions = extensions.flat_map(|of| numbers(&of));
            MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
                base_type_name: name.clone(),
                extension_number: extensions.collect(),
            })
        }
        None => failed(Code::InvalidArgument, "the question is missing".to_owned()),
    };
    ServerReflectionResponse {
        valid_host: question.host.clone(),
        original_request: Some(question),
        message_response: Some(answer),
    }
}

/// The numbers of all extensions of a message.
fn numbers(of: &MessageDescriptor) -> Vec<i32> {
    let numbers = of.extensions().map(|extension| extension.number());
    numbers
        .filter_map(|number| number.try_into().ok())
        .collect()
}

/// The file that defines a message, an enum, a service, or a part of one.
fn defining_file(contract: &DescriptorPool, symbol: &str) -> Option<FileDescriptor> {
    let is = |name: &str| name == symbol;
    let message = contract.all_messages().find(|message| {
        is(message.full_name())
            || message.fields().any(|field| is(field.full_name()))
            || message.oneofs().any(|oneof| is(oneof.full_name()))
    });
    let values = || {
        contract.all_enums().find(|values| {
            is(values.full_name()) || values.values().any(|value| is(value.full_name()))
        })
    };
    let service = || {
        contract.services().find(|service| {
            is(service.full_name()) || service.methods().any(|method| is(method.full_name()))
        })
    };
    let extension = || contract.get_extension_by_name(symbol);
    let file = message.map(|message| message.parent_file());
    file.or_else(|| Some(values()?.parent_file()))
        .or_else(|| Some(extension()?.parent_file()))
        .or_else(|| Some(service()?.parent_file()))
}

fn found(what: &str, name: &str, file: Option<FileDescriptor>) -> MessageResponse {
    match file {
        // Encoded by the pool, which keeps options that are not known here.
        Some(file) => MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: vec![file.encode_to_vec()],
        }),
        None => failed(Code::NotFound, format!("there is no {what} {name}")),
    }
}

fn failed(code: Code, error_message: String) -> MessageResponse {
    MessageResponse::ErrorResponse(ErrorResponse {
        error_code: code.into(),
        error_message,
    })
}

#[cfg(test)]
mod tests {
    use tonic_reflection::pb::v1::ExtensionRequest;

    use super::*;

    fn answered(question: MessageRequest) -> MessageResponse {
        let contract = DescriptorPool::decode(crate::pb::DESCRIPTORS).unwrap();
        let question = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(question),
        };
        answer(&contract, question).message_response.unwrap()
    }

    #[test]
    fn the_extension_that_says_how_a_method_is_called_by_http_is_found() {
        let options = "google.protobuf.MethodOptions";
        let numbers = answered(MessageRequest::AllExtensionNumbersOfType(
            options.to_owned(),
        ));
        let MessageResponse::AllExtensionNumbersResponse(numbers) = numbers else {
            panic!("numbers");
        };
        assert_eq!(numbers.extension_number, [72_295_728]);
        let by_number = |extension_number| {
            let asked = ExtensionRequest {
                containing_type: options.to_owned(),
                extension_number,
            };
            answered(MessageRequest::FileContainingExtension(asked))
        };
        let by_name = MessageRequest::FileContainingSymbol("google.api.http".to_owned());
        for found in [by_number(72_295_728), answered(by_name)] {
            let MessageResponse::FileDescriptorResponse(files) = found else {
                panic!("a file");
            };
            let file = String::from_utf8_lossy(&files.file_descriptor_proto[0]).into_owned();
            assert!(file.contains("google/api/annotations.proto"));
        }
        for nothing in [by_number(1), by_number(-1)] {
            assert!(matches!(nothing, MessageResponse::ErrorResponse(_)));
        }
    }
}
