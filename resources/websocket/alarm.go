package websocket

import (
	"sync"
	"time"
)

// alarm calls a function after a time, again and again for as long as the function asks for it. All alarms wait in
// the one timer heap of the Go runtime and have no goroutine until they are due; each then has its own, so that a
// write to a peer which reads nothing holds up no other. Stop joins it.
type alarm struct {
	ring func() time.Duration // returns when to be called next; 0: never again

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	ringing sync.WaitGroup // one for a timer that is set, or its function that runs
}

// setAlarm makes an alarm that rings first after d.
func setAlarm(d time.Duration, ring func() time.Duration) *alarm {
	a := &alarm{ring: ring}
	a.ringing.Add(1)
	a.mu.Lock() // due waits until the timer is known
	defer a.mu.Unlock()
	a.timer = time.AfterFunc(d, a.due)
	return a
}

func (a *alarm) due() {
	defer a.ringing.Done()
	next := a.ring()
	a.mu.Lock()
	defer a.mu.Unlock()
	if next > 0 && !a.stopped {
		a.ringing.Add(1)
		a.timer.Reset(next)
	}
}

// stop makes sure that the function neither runs nor will run. What it may be blocked on must have been ended before.
func (a *alarm) stop() {
	a.mu.Lock()
	a.stopped = true
	if a.timer.Stop() {
		a.ringing.Done()
	}
	a.mu.Unlock()
	a.ringing.Wait()
}
