package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/identity"
)

// minSigningRotation bounds --signing-key-rotation: a key is published for a day before it signs.
const minSigningRotation = 2 * identity.SigningAhead

// signingFlags say how long the server's keys sign.
type signingFlags struct {
	every time.Duration
}

func (s *signingFlags) register(f *pflag.FlagSet) {
	f.DurationVar(&s.every, "signing-key-rotation", defaultSigningRotation,
		"how long a key signs logout tokens and security events until the next one does (0: for ever)")
	fromEnv(f, "signing-key-rotation")
	between(f, "signing-key-rotation", minSigningRotation, maxRetention)
	orZero(f, "signing-key-rotation")
}

// rotation returns how long a key signs; negative: for ever.
func (s *signingFlags) rotation() (time.Duration, error) {
	if s.every != 0 && s.every < minSigningRotation {
		return 0, usagef("--signing-key-rotation %s is neither 0 nor at least %s", s.every, minSigningRotation)
	}
	return keptForEverIfZero(s.every), nil
}

// signingInterval is how often the leader looks whether keys are to change.
const signingInterval = time.Minute

// keepSigningKeys does what time brings to the keys by which the server signs, where this node leads, until ctx ends.
func keepSigningKeys(ctx context.Context, service *identity.Service, leads func() bool, every time.Duration, logger *slog.Logger) {
	whileLeading(ctx, leads, signingInterval, func() bool {
		changed, err := service.KeepSigningKeys(ctx, every)
		if err != nil && ctx.Err() == nil {
			logger.Warn("signing keys not kept", "error", err)
		}
		if changed > 0 {
			logger.Info("signing keys changed", "rings", changed)
		}
		return false
	})
}
