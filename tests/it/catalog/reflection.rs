//! Reflection: tools find the services and their documentation.
use challenges_catalog::pb;
use futures_util::stream;
use prost::Message;
use prost_types::FileDescriptorProto;
use tonic::transport::Channel;

use crate::support::replica::Replica;

async fn channel(replica: &Replica) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    endpoint.connect().await.unwrap()
}

/// Asks one version of the protocol for what there is not, the services, and the file of the catalog,
/// on one stream: an answer of "there is none" does not end it.
macro_rules! ask {
    ($version:ident, $replica:expr) => {{
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let catalog = "challenges.catalog.v1.ChallengesCatalog";
        let questions = [
            MessageRequest::FileContainingSymbol("no.such.Symbol".to_owned()),
            MessageRequest::FileByFilename("no/such.proto".to_owned()),
            MessageRequest::ListServices(String::new()),
            MessageRequest::FileContainingSymbol(catalog.to_owned()),
        ];
        let questions = questions.map(|question| ServerReflectionRequest {
            message_request: Some(question),
            ..Default::default()
        });
        let mut client = ServerReflectionClient::new(channel($replica).await);
        let asked = client.server_reflection_info(stream::iter(questions)).await;
        let mut answers = asked.unwrap().into_inner();
        let mut next = async || answers.message().await.unwrap().unwrap().message_response;
        for told in [
            "there is no symbol no.such.Symbol",
            "there is no file no/such.proto",
        ] {
            let Some(MessageResponse::ErrorResponse(error)) = next().await else {
                panic!("an error")
            };
            assert_eq!((error.error_code, error.error_message.as_str()), (5, told));
        }
        let Some(MessageResponse::ListServicesResponse(list)) = next().await else {
            panic!("a list of services")
        };
        let Some(MessageResponse::FileDescriptorResponse(files)) = next().await else {
            panic!("files")
        };
        let services: Vec<_> = list
            .service
            .into_iter()
            .map(|service| service.name)
            .collect();
        (services, files.file_descriptor_proto)
    }};
}

fn hold_the_documented_contract(services: &[String], files: &[Vec<u8>]) {
    for wanted in [
        "challenges.catalog.v1.ChallengesCatalog",
        "grpc.health.v1.Health",
    ] {
        assert!(services.iter().any(|name| name == wanted), "{services:?}");
    }
    let files: Vec<_> = files
        .iter()
        .map(|file| FileDescriptorProto::decode(&file[..]).unwrap())
        .collect();
    let file = files.iter().find(|file| !file.service.is_empty()).unwrap();
    let comments = file.source_code_info.as_ref().unwrap().location.iter();
    let comments: String = comments
        .filter_map(|location| location.leading_comments.as_deref())
        .collect();
    for documented in [
        "The catalog of coaching challenges",
        "Lists challenges, all or of one difficulty",
        "How many challenges a page has at most: 1 to 100.",
    ] {
        assert!(comments.contains(documented), "{documented}");
    }
}

#[tokio::test]
async fn both_versions_of_reflection_answer_every_question_on_one_stream() {
    let replica = Replica::start(&[]).await;
    let (services, files) = ask!(v1, &replica);
    hold_the_documented_contract(&services, &files);
    assert!(services.contains(&"grpc.reflection.v1.ServerReflection".to_owned()));
    let (services, files) = ask!(v1alpha, &replica);
    hold_the_documented_contract(&services, &files);
}

#[test]
fn every_file_of_the_contract_is_in_the_descriptors() {
    let set = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap();
    let ours = set
        .file
        .iter()
        .filter(|file| file.package().starts_with("challenges."));
    for file in ours {
        assert!(file.source_code_info.is_some(), "{}", file.name());
    }
}
