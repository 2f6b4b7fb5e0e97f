package geo

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHoursJSONIsStrict(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                      "",
		`"08:00-21:00"`:           "",
		`{}`:                      "weekly is missing",
		`{"weekly": null}`:        "no hour at all",
		`{"weekly": {}}`:          "no hour at all",
		`{"weekly": {"mon": []}}`: "no hour at all",
		`{"weekly": {"Monday": ["08:00-21:00"]}}`:                                                                      `"Monday" is no day of the week`,
		`{"weekly": {"Mon": ["08:00-21:00"]}}`:                                                                         `"Mon" is no day of the week`,
		`{"weekly": {"mon": "08:00-21:00"}}`:                                                                           "weekly",
		`{"weekly": {"mon": ["8:00-21:00"]}}`:                                                                          `weekly.mon: "8:00-21:00": not of the form`,
		`{"weekly": {"mon": ["08:00"]}}`:                                                                               "not of the form",
		`{"weekly": {"mon": ["08:00-21:00-22:00"]}}`:                                                                   "not of the form",
		`{"weekly": {"mon": ["08:00 - 21:00"]}}`:                                                                       "not of the form",
		`{"weekly": {"mon": ["08:00-21:60"]}}`:                                                                         "not of the form",
		`{"weekly": {"mon": ["08:00-24:01"]}}`:                                                                         "not of the form",
		`{"weekly": {"mon": ["24:00-24:00"]}}`:                                                                         "not of the form",
		`{"weekly": {"mon": ["-1:00-02:00"]}}`:                                                                         "not of the form",
		`{"weekly": {"mon": ["08:00:00-21:00:00"]}}`:                                                                   "not of the form",
		`{"weekly": {"mon": ["09:00-09:00"]}}`:                                                                         "ends before it begins",
		`{"weekly": {"mon": ["21:00-06:00"]}}`:                                                                         "written as two",
		`{"weekly": {"mon": ["08:00-12:00", "11:59-13:00"]}}`:                                                          "08:00-12:00 and 11:59-13:00: two intervals overlap",
		`{"weekly": {"mon": ["08:00-12:00"], "mon": []}}`:                                                              `"mon": key stands twice`,
		`{"Weekly": {"mon": ["08:00-12:00"]}}`:                                                                         `"Weekly": key is written in lower case`,
		`{"weekly": {"mon": ["08:00-12:00"]}, "holidays": [{"Date": "2026-12-25", "hours": []}]}`:                      `"Date": key is written in lower case`,
		`{"weekly": {"mon": ["08:00-12:00"]}, "holiday": []}`:                                                          "holiday",
		`{"weekly": {"mon": ["08:00-12:00"]}, "holidays": [{"date": "25.12.2026", "hours": []}]}`:                      "holidays[0] (25.12.2026): the date is not",
		`{"weekly": {"mon": ["08:00-12:00"]}, "holidays": [{"date": "2026-02-29", "hours": []}]}`:                      "the date is not",
		`{"weekly": {"mon": ["08:00-12:00"]}, "holidays": [{"date": "2026-12-25"}]}`:                                   "hours are missing",
		`{"weekly": {"mon": ["08:00-12:00"]}, "holidays": [{"date": "2026-12-25", "hours": null}]}`:                    "hours are missing",
		`{"weekly": {"mon": ["08:00-12:00"]}, "holidays": [{"date": "2026-12-25", "region": "Spain", "hours": []}]}`:   "the region is neither",
		`{"weekly": {"mon": ["08:00-12:00"]}, "holidays": [{"date": "2026-12-25", "hours": ["9-5"]}]}`:                 `holidays[0] (2026-12-25): "9-5"`,
		`{"weekly": {"mon": ["08:00-12:00"]}, "holidays": [{"date": "2026-12-25", "name": "Christmas", "hours": []}]}`: "name",
		`{"weekly": {"mon": ["08:00-12:00"]}, "holidays": [{"date": "2026-12-25", "hours": []}, {"date": "2026-12-24", "hours": []}, {"date": "2026-12-25", "hours": ["08:00-09:00"]}]}`: "holidays[2] (2026-12-25): the same date and region",
	} {
		var h Hours
		err := json.Unmarshal([]byte(text), &h)
		require.ErrorIs(t, err, ErrRules, text)
		require.ErrorContains(t, err, want, text)
		require.Equal(t, Hours{}, h, "a refused document changes nothing")
	}
}

func TestHoursJSONIsOneDocument(t *testing.T) {
	var h Hours
	err := h.UnmarshalJSON([]byte(`{"weekly": {"mon": ["08:00-12:00"]}} {}`))
	require.ErrorIs(t, err, ErrRules)
	require.ErrorContains(t, err, "something follows")
	require.Error(t, h.UnmarshalJSON(nil))
}

func TestHoursJSONReadsBack(t *testing.T) {
	h := hours(t, `{"holidays": [
		{"date": "2026-12-26", "hours": []}, {"date": "2026-12-25", "region": "SG", "hours": []},
		{"date": "2026-12-25", "hours": ["22:00-24:00", "00:00-06:30"]}],
		"weekly": {"sun": ["10:00-12:00"], "mon": ["13:00-20:00", "09:00-12:00"], "sat": []}}`)
	out, err := json.Marshal(h)
	require.NoError(t, err)
	want := `{"weekly":{"mon":["09:00-12:00","13:00-20:00"],"sun":["10:00-12:00"]},"holidays":[` +
		`{"date":"2026-12-25","hours":["00:00-06:30","22:00-24:00"]},{"date":"2026-12-25","region":"SG","hours":[]},` +
		`{"date":"2026-12-26","hours":[]}]}`
	require.Equal(t, []byte(want), out, "in order, byte for byte")
	var pack struct {
		Hours *Hours `json:"hours"`
	}
	require.NoError(t, json.Unmarshal([]byte(`{"hours": null}`), &pack))
	require.Nil(t, pack.Hours)
	out, err = json.Marshal(pack)
	require.NoError(t, err)
	require.JSONEq(t, `{"hours": null}`, string(out))
}

func FuzzHoursJSON(f *testing.F) {
	f.Add([]byte(decent))
	f.Add([]byte(`{"weekly": {"mon": ["00:00-24:00"]}, "holidays": [{"date": "2026-12-25", "region": "SG", "hours": []}]}`))
	f.Add([]byte(`{"weekly": {"mon": ["21:00-06:00"]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var h, again Hours
		if err := h.UnmarshalJSON(raw); err != nil {
			require.ErrorIs(t, err, ErrRules)
			return
		}
		out, err := json.Marshal(&h)
		require.NoError(t, err)
		if string(raw) == "null" {
			return
		}
		require.NoError(t, json.Unmarshal(out, &again), "%s", out)
		require.Equal(t, h.weekly, again.weekly)
		require.Len(t, again.holidays, len(h.holidays))
		twice, err := json.Marshal(&again)
		require.NoError(t, err)
		require.Equal(t, string(out), string(twice))
	})
}
