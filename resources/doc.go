// Package resources holds what the kinds of resource share: strict reading of specs, secrets by reference,
// TLS, the guard on outgoing connections, backoff, and the meter that counts it all.
//
// A spec is data from whoever may write to the store. It can say what to connect to and how, and nothing
// that widens what the operator of the node allows: the Guard judges each address at the moment of dialling,
// after names were resolved, and no spec reaches it.
package resources
