//! Every public type may move between threads and be shared by them.

use p2p_crypto::*;

fn shared<T: Send + Sync + 'static>() {}

#[test]
fn every_public_type_is_send_and_sync() {
    shared::<ChannelKey>();
    shared::<Difficulty>();
    shared::<Identity>();
    shared::<InstructionSet>();
    shared::<InvalidDifficulty>();
    shared::<InvalidPeerId>();
    shared::<InvalidPublicKey>();
    shared::<InvalidStamp>();
    shared::<Nonce>();
    shared::<NoncesExhausted>();
    shared::<NotEnoughProofOfWork>();
    shared::<OpenBatchError>();
    shared::<OpenError>();
    shared::<Opener>();
    shared::<PeerId>();
    shared::<Piece<'static>>();
    shared::<PublicKey>();
    shared::<Role>();
    shared::<Sealer>();
    shared::<SearchProgress>();
    shared::<SecretKey>();
    shared::<SessionNonces>();
    shared::<Stamp>();
    shared::<StampSearch>();
    shared::<Tag>();
    shared::<Target>();
    shared::<WeakPublicKey>();
    #[cfg(feature = "identity-file")]
    {
        shared::<InvalidIdentity>();
        shared::<ReadIdentityError>();
        shared::<WriteIdentityError>();
    }
}
