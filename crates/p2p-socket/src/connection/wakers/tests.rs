use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Scene {
    wakers: Arc<Wakers>,
    driver: Arc<Count>,
    receiver: Arc<Count>,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            wakers: Arc::default(),
            driver: Arc::default(),
            receiver: Arc::default(),
        };
        scene.wakers.set_driver(&scene.driver.clone().into());
        scene
    }

    /// Tells whether there is something new to look at.
    fn look(&self, stays: bool) -> bool {
        self.wakers.set_receiver(&self.receiver.clone().into());
        self.wakers.receiver_reads(stays)
    }

    fn readable(&self) {
        Waker::from(self.wakers.clone()).wake();
    }

    /// How often the driver and the receiver were woken.
    fn woken(&self) -> (usize, usize) {
        (
            self.driver.0.load(Ordering::SeqCst),
            self.receiver.0.load(Ordering::SeqCst),
        )
    }
}

#[test]
fn the_driver_reads_while_nobody_receives() {
    let scene = Scene::new();
    scene.readable();
    assert_eq!(scene.woken(), (1, 0));
}

#[test]
fn a_receiver_that_stays_is_woken_alone() {
    let scene = Scene::new();
    scene.look(true);
    scene.readable();
    assert_eq!(scene.woken(), (0, 1));
}

#[test]
fn a_receiver_that_may_vanish_is_not_relied_on() {
    let scene = Scene::new();
    scene.look(false);
    scene.readable();
    assert_eq!(scene.woken(), (1, 1));
}

#[test]
fn a_receiver_that_leaves_without_looking_passes_it_on() {
    let scene = Scene::new();
    scene.look(true);
    scene.readable();
    scene.wakers.receiver_leaves();
    assert_eq!(scene.woken(), (1, 1));
}

#[test]
fn a_receiver_that_leaves_after_looking_passes_nothing_on() {
    let scene = Scene::new();
    scene.look(true);
    scene.readable();
    scene.look(true);
    scene.wakers.receiver_leaves();
    assert_eq!(scene.woken(), (0, 1));
    scene.wakers.set_driver(&scene.driver.clone().into());
    scene.readable();
    assert_eq!(scene.woken().0, 1);
}

#[test]
fn a_receiver_that_is_kept_out_passes_it_on_and_waits() {
    let scene = Scene::new();
    scene.look(true);
    scene.readable();
    scene.wakers.set_receiver(&scene.receiver.clone().into());
    scene.wakers.receiver_is_kept_out();
    assert_eq!(scene.woken(), (1, 1));
    scene.wakers.wake_receiver();
    assert_eq!(scene.woken(), (1, 2));
}

#[test]
fn the_driver_looks_again_for_room_that_was_made_before_the_receiver_left() {
    let scene = Scene::new();
    scene.look(true);
    scene.wakers.room_is_made();
    assert_eq!(scene.woken(), (1, 0));
    assert!(!scene.wakers.driver_reads());
    scene.wakers.set_driver(&scene.driver.clone().into());
    scene.wakers.receiver_leaves();
    assert_eq!(scene.woken(), (2, 0));
    assert!(scene.wakers.driver_reads());
}

#[test]
fn what_nobody_has_looked_at_is_told_to_whoever_looks_next() {
    let scene = Scene::new();
    assert!(!scene.look(true));
    scene.readable();
    scene.wakers.receiver_leaves();
    assert!(scene.look(true), "the driver was woken, and has not come yet");
    assert!(!scene.look(true));
    scene.wakers.receiver_leaves();
    scene.readable();
    assert!(scene.wakers.driver_reads());
    assert!(!scene.look(true), "the driver has seen it");
}
