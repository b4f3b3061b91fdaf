package git

import (
	"context"
	"fmt"
)

func openRemote(_ context.Context, location string, _ Options) (*Source, error) {
	return nil, fmt.Errorf("opening %s: remotes cannot be read yet", redactURL(location))
}
