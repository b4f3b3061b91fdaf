package v1

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/google/shlex"
)

// Scalar is a YAML scalar as it was written. The value types below read themselves from it, so that 0444 can be octal
// in one field and an error in another. Tag is YAML's: !!str, !!int, !!float, !!bool, !!null.
type Scalar struct {
	Text string
	Tag  string
}

// ScalarSetter is a type that reads itself from a scalar. A struct, list or map that implements it has a short form.
type ScalarSetter interface{ SetScalar(Scalar) error }

// ListSetter is a map type that may also be written as a list of strings.
type ListSetter interface{ SetList([]string) error }

// NullSetter is a map type in which a name may have null for a value.
type NullSetter interface{ SetNull(name string) }

// NeverEmpty is a list type that must have an entry. NoEntry says what is wrong with it if it has none.
type NeverEmpty interface{ NoEntry() string }

// MapSetter is a list type that may also be written as a map of strings.
type MapSetter interface{ SetMap(map[string]string) error }

// Duration is written as in compose and Go: 10s, 1m30s, 500ms. In code its unit is nanoseconds.
type Duration time.Duration

// SetScalar reads a duration. It refuses a bare number other than 0, because its unit would be a guess.
func (d *Duration) SetScalar(s Scalar) error {
	v, err := time.ParseDuration(s.Text)
	switch {
	case err != nil || s.Tag == "!!null":
		return fmt.Errorf("%q is not a duration such as 10s, 1m30s or 500ms", s.Text)
	case v < 0:
		return fmt.Errorf("%q is negative", s.Text)
	}
	*d = Duration(v)
	return nil
}

// String renders without trailing zero units: 1m0s is 1m.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// MarshalJSON renders the text form.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// Bytes is a size, written as in compose (256M, 1g: binary multiples) or Kubernetes (256MiB, 256Mi).
type Bytes int64

// SetScalar reads a size.
func (b *Bytes) SetScalar(s Scalar) error {
	text := s.Text
	if strings.HasSuffix(text, "i") { // Kubernetes' Ki, Mi, Gi
		text += "B"
	}
	v, err := units.RAMInBytes(text)
	if err != nil || v < 0 || v > 1<<60 || s.Tag == "!!null" { // an overflow becomes negative
		return fmt.Errorf("%q is not a size such as 64MiB, 512M or 1g", s.Text)
	}
	*b = Bytes(v)
	return nil
}

// String renders the exact value, in the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range []struct {
		name string
		size Bytes
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalJSON renders the text form.
func (b Bytes) MarshalJSON() ([]byte, error) { return json.Marshal(b.String()) }

// Swap is a size, or -1, which means no limit.
type Swap int64

// SetScalar reads a size, or -1.
func (w *Swap) SetScalar(s Scalar) error {
	if s.Text == "-1" {
		*w = -1
		return nil
	}
	var b Bytes
	if err := b.SetScalar(s); err != nil {
		return fmt.Errorf("%w, or -1 for no limit", err)
	}
	*w = Swap(b)
	return nil
}

// String renders a size as Bytes does, and -1 as it is.
func (w Swap) String() string { return Bytes(w).String() }

// MarshalJSON renders the text form.
func (w Swap) MarshalJSON() ([]byte, error) { return json.Marshal(w.String()) }

// CPUs is a number of CPUs, written as 0.5, "1.25" or Kubernetes' 500m. In code its unit is a billionth of one CPU.
type CPUs int64

// SetScalar reads a number of CPUs exactly. It refuses more than nine decimals.
func (c *CPUs) SetScalar(s Scalar) error {
	text, scale := s.Text, big.NewRat(1e9, 1)
	if rest, ok := strings.CutSuffix(text, "m"); ok {
		text, scale = rest, big.NewRat(1e6, 1)
	}
	bad := fmt.Errorf("%q is not a number of CPUs such as 0.5 or 500m", s.Text)
	// Accept only plain decimals: big.Rat would also read fractions, exponents and hexadecimals, and an exponent can
	// be a bomb.
	if text == "" || len(text) > 24 || strings.Trim(text, "0123456789.") != "" {
		return bad
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return bad
	}
	r.Mul(r, scale)
	if !r.IsInt() || !r.Num().IsInt64() {
		return fmt.Errorf("%q has more than nine decimals or is too large", s.Text)
	}
	*c = CPUs(r.Num().Int64())
	return nil
}

// String renders as a decimal without trailing zeros.
func (c CPUs) String() string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%d.%09d", int64(c)/1e9, int64(c)%1e9), "0"), ".")
}

// MarshalJSON renders the text form.
func (c CPUs) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// FileMode is a file's permission bits. It is always octal: 0444, "0444" and 444 are the same.
type FileMode uint32

// SetScalar reads octal digits.
func (m *FileMode) SetScalar(s Scalar) error {
	text := strings.TrimPrefix(s.Text, "0o")
	v, err := strconv.ParseUint(text, 8, 32)
	if err != nil {
		return fmt.Errorf("%q is not an octal file mode such as 0444", s.Text)
	}
	*m = FileMode(v)
	return nil
}

// String renders four octal digits.
func (m FileMode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// MarshalJSON renders the text form.
func (m FileMode) MarshalJSON() ([]byte, error) { return json.Marshal(m.String()) }

// Ratio is a fraction between 0 and 1. The engine keeps it in single precision, so two ratios that agree in that
// precision are equal.
type Ratio float32

// SetScalar reads a fraction.
func (r *Ratio) SetScalar(s Scalar) error {
	v, err := strconv.ParseFloat(s.Text, 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > 1 {
		return fmt.Errorf("%q is not a fraction between 0 and 1", s.Text)
	}
	*r = Ratio(v)
	return nil
}

// String renders the shortest text that reads back equal.
func (r Ratio) String() string { return strconv.FormatFloat(float64(r), 'g', -1, 32) }

// Texts is a list. One text stands for a list of it alone.
type Texts []string

// SetScalar reads one text.
func (l *Texts) SetScalar(s Scalar) error {
	var text string
	if err := setString(&text, s); err != nil {
		return err
	}
	*l = Texts{text}
	return nil
}

// StringList is a list of words. A single string is split as a shell splits it, as compose does with command and
// entrypoint.
type StringList []string

// SetScalar splits a string into words. It does not expand variables or globs.
func (l *StringList) SetScalar(s Scalar) error {
	if s.Tag != "!!str" {
		return fmt.Errorf("%s is neither a string nor a list of strings; quote it", s.Text)
	}
	// For shlex, # begins a comment, and the rest would be lost silently. For compose, # is a character like any
	// other.
	const number, standIn = "#", "\x00"
	if strings.Contains(s.Text, standIn) {
		return fmt.Errorf("the command holds a NUL byte")
	}
	words, err := shlex.Split(strings.ReplaceAll(s.Text, number, standIn))
	if err != nil {
		return fmt.Errorf("splitting the command into words: %w", err)
	}
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], standIn, number)
	}
	*l = words
	return nil
}
