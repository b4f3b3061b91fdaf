package git

import "context"

func (r *repository) dirty(context.Context) ([]string, error) { return nil, nil }
