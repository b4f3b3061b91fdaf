// Package engine is the door to the Docker Engine. It finds the engine as the docker CLI does, makes every call with
// a deadline, counts and names calls for metrics and logs, and sorts errors into classes.
//
// It knows no kinds, no manifests and no plans. It repeats no write, because a write that failed must be read back
// first (see [IsAmbiguous]); only the event stream connects again. It acts on no event. Its logs, metrics and errors
// never show a header, a query value, a credential or the body of a request.
package engine
