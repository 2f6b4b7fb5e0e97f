package geo

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
)

// zoneinfo is the IANA time zone database, compiled; see tzdata/update.sh. The
// system's files and Go's own copy are not asked: two machines, or a machine
// before and after an update, would answer differently, and a decision could not
// say by which data it was taken.
//
//go:embed tzdata/zoneinfo.zip
var zoneinfo []byte

// zoneFiles is what the archive holds besides zones.
const (
	versionFile   = "version"
	countriesFile = "zone.tab"
	namesFile     = "iso3166.tab"
)

// archive is the opened database. Zones are loaded when they are asked for and
// kept: a location is the same pointer each time.
type archive struct {
	version   string
	files     map[string]*zip.File
	countries map[string][]string // ISO 3166-1 alpha-2 to the names of its zones
	zones     sync.Map            // name to *zone
}

// zone is a loaded zone.
type zone struct {
	loc      *time.Location
	file     string // its compiled form; two names of one zone have the same
	past     string // the offsets of the reference years
	standard int    // the offset without DST in those years, in seconds
}

// database opens the embedded archive once. It is the only state of the package:
// zones are asked for by name, by callers that hold no rules.
//
//nolint:gochecknoglobals // a constant of the binary, in its readable form
var database = sync.OnceValues(openArchive)

func openArchive() (*archive, error) {
	r, err := zip.NewReader(bytes.NewReader(zoneinfo), int64(len(zoneinfo)))
	if err != nil {
		return nil, fmt.Errorf("%w: time zone data: %w", ErrRules, err)
	}
	a := &archive{files: make(map[string]*zip.File, len(r.File))}
	for _, f := range r.File {
		a.files[f.Name] = f
	}
	version, err := a.read(versionFile)
	if err != nil {
		return nil, err
	}
	a.version = strings.TrimSpace(string(version))
	tab, err := a.read(countriesFile)
	if err != nil {
		return nil, err
	}
	a.countries = zoneTab(string(tab))
	return a, nil
}

// zoneTab reads the lines of zone.tab: country, coordinates, zone, comment.
func zoneTab(tab string) map[string][]string {
	out := make(map[string][]string)
	for line := range strings.Lines(tab) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) < 3 || strings.HasPrefix(line, "#") {
			continue
		}
		for country := range strings.SplitSeq(fields[0], ",") {
			out[country] = append(out[country], fields[2])
		}
	}
	return out
}

func (a *archive) read(name string) ([]byte, error) {
	f, ok := a.files[name]
	if !ok {
		return nil, ErrZone
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrZone, err)
	}
	defer func() { _ = r.Close() }()
	raw, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrZone, err)
	}
	return raw, nil
}

func (a *archive) zone(name string) (*zone, error) {
	if kept, ok := a.zones.Load(name); ok {
		if z, ok := kept.(*zone); ok {
			return z, nil
		}
	}
	raw, err := a.read(name)
	if err != nil {
		return nil, err
	}
	loc, err := time.LoadLocationFromTZData(name, raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrZone, err)
	}
	kept, _ := a.zones.LoadOrStore(name, newZone(loc, raw))
	if z, ok := kept.(*zone); ok {
		return z, nil
	}
	return nil, ErrZone
}

// newZone looks at what a zone's clocks showed through 2024 and 2025, week by week:
// the years that the groups of libphonenumber's time zone data describe.
func newZone(loc *time.Location, raw []byte) *zone {
	z := &zone{loc: loc, file: string(raw), standard: math.MaxInt}
	var past strings.Builder
	begin := time.Date(2024, time.January, 1, 12, 0, 0, 0, time.UTC)
	for week := range 2 * 52 {
		_, offset := begin.AddDate(0, 0, 7*week).In(loc).Zone()
		past.WriteString(strconv.Itoa(offset))
		past.WriteByte(' ')
		z.standard = min(z.standard, offset)
	}
	z.past = past.String()
	return z
}

// Zone is an IANA zone by its name, such as "Asia/Singapore", from the embedded
// data; [ErrZone] when there is none. Names are case-sensitive; "", "Local" and
// paths are no names.
func Zone(name string) (*time.Location, error) {
	a, err := database()
	if err != nil {
		return nil, err
	}
	z, err := a.zone(name)
	if err != nil {
		return nil, err
	}
	return z.loc, nil
}

// TZData is the version of the embedded time zone data, such as "2026f".
func TZData() string {
	a, err := database()
	if err != nil {
		return ""
	}
	return a.version
}
