package main

import "sync"

// The connections of a broadcast.
type hall[T comparable] struct {
	lock    sync.Mutex
	members map[T]struct{}
}

func (h *hall[T]) join(member T) {
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.members == nil {
		h.members = make(map[T]struct{})
	}
	h.members[member] = struct{}{}
}

func (h *hall[T]) leave(member T) {
	h.lock.Lock()
	defer h.lock.Unlock()
	delete(h.members, member)
}

func (h *hall[T]) each(do func(T)) {
	h.lock.Lock()
	defer h.lock.Unlock()
	for member := range h.members {
		do(member)
	}
}

// Messages that wait for a receiver.
const queueLength = 1024

// Bytes of the largest message.
const maxMessage = 64 << 20
