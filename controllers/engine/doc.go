// Package engine is the door to the Docker Engine. It finds the engine as the docker CLI does, makes every call with
// a deadline, counts and names calls for metrics and logs, and sorts errors into classes.
//
// It knows no kinds, no manifests and no plans. It retries nothing, because a write that failed must be read back
// first (see [IsAmbiguous]). It acts on no event. It never logs or returns a header, a body, a query value or a
// credential.
package engine
