// Package engine is the door to the Docker Engine: it finds the engine as the docker CLI does, makes every call with a
// deadline, counts and names it for metrics and logs, and says in one vocabulary what an error means.
//
// It knows no kinds, no manifests and no plans. It retries nothing (a write that failed must be read back first, see
// [IsAmbiguous]), it acts on no event, and it never logs or returns a header, a body, a query value or a credential.
package engine
