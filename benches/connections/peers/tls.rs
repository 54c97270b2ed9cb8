//! TLS 1.3 by tokio-rustls over ring, with ChaCha20-Poly1305. Only the listener has a certificate, which the dialler
//! checks; nothing is resumed.

use std::{net::SocketAddr, sync::Arc};

use p2p_crypto::Role;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor, TlsConnector, TlsStream,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        client::Resumption,
        crypto::{CryptoProvider, ring},
        pki_types::{PrivateKeyDer, ServerName},
        version::TLS13,
    },
};

use super::{Peer, plain::Stream};

pub(crate) struct Tls {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

impl Tls {
    pub(crate) fn new() -> Self {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: vec![ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256],
            kx_groups: vec![ring::kx_group::X25519],
            ..ring::default_provider()
        });
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = certified.cert.der().clone();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();

        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = Resumption::disabled();
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        server.send_tls13_tickets = 0;
        Self {
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
        }
    }
}

impl Peer for Tls {
    type Channel = Stream<TlsStream<TcpStream>>;

    async fn connect(&self, io: TcpStream, role: Role, _: SocketAddr) -> Self::Channel {
        Stream::new(match role {
            Role::Initiator => {
                let name = ServerName::try_from("localhost").unwrap();
                self.connector.connect(name, io).await.unwrap().into()
            }
            Role::Responder => self.acceptor.accept(io).await.unwrap().into(),
        })
    }
}
