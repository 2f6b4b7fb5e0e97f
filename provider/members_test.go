package provider_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/provider"
)

func TestMembersKnowEverySpelling(t *testing.T) {
	m, ok := provider.ReadMembers([]byte(` {"restriction_info":[1,{"a":2}],"phoneNumber":"165","Event":7,
		"one":{"x_y":"1"},"nothing":null,"meta":{"event":"inner","xY":true},"text":"t"}`))
	require.True(t, ok)
	require.Equal(t, provider.Scalar("165"), m.Scalar("phone_number"))
	require.Equal(t, provider.Scalar("165"), m.Scalar("missing", "phoneNumber"))
	require.Equal(t, provider.Scalar("7"), m.Scalar("event"))
	require.Equal(t, provider.Scalar("inner"), m.With("meta").Scalar("event"), "what is inside comes first")
	require.Equal(t, provider.Scalar("165"), m.With("meta").Scalar("phone_number"))
	require.Empty(t, m.Scalar("one"), "an object is no scalar")
	require.False(t, m.Has("nothing"))
	require.Equal(t, provider.Scalar("1"), m.Object("ONE").Scalar("xy"))
	require.Nil(t, m.Object("text"))
	require.Empty(t, m.Object("missing").Scalar("anything"), "members of nothing are nothing")

	list, ok := m.List("restrictionInfo")
	require.True(t, ok)
	require.Len(t, list, 2)
	list, ok = m.List("one")
	require.True(t, ok)
	require.Len(t, list, 1, "an object is a list of one")
	list, ok = m.List("missing")
	require.True(t, ok)
	require.Empty(t, list)
	_, ok = m.List("text")
	require.False(t, ok)

	for _, raw := range []string{``, ` `, `[]`, `"{}"`, `5`, `{`, `null`} {
		_, ok := provider.ReadMembers([]byte(raw))
		require.False(t, ok, raw)
	}
	for range 20 { // not by the order in which a map is read
		two, ok := provider.ReadMembers([]byte(`{"a_b":1,"aB":2,"AB":null}`))
		require.True(t, ok)
		require.Equal(t, provider.Scalar("2"), two.Scalar("ab"))
	}
}

func TestWord(t *testing.T) {
	for in, want := range map[provider.Scalar]string{
		" tier_2k ": "TIER_2K", "flagged": "FLAGGED", "low quality": "LOW_QUALITY", "": "", "++": "",
		"call 14085551234": "", "<b>": "B", "{\"a\":1}": "A1",
	} {
		require.Equal(t, want, provider.Word(in), in)
	}
}

func TestWilling(t *testing.T) {
	for _, title := range []provider.Scalar{
		"Allow calls", "ALLOW_CALLS", " allow  calls! ", "📞 Call me back", "Yes, call me", "Sí, permitir llamadas",
		"Permitir ligações", "Anrufe erlauben", "允许来电", "Cho phép gọi", "อนุญาตให้โทร", "ＡＬＬＯＷ ＣＡＬＬＳ", "Разрешить звонки",
	} {
		require.True(t, provider.Willing("", title), title)
	}
	for _, title := range []provider.Scalar{
		"", "Not now", "allow", "yes", "Don't allow calls", "Allow calls never", "stop calls", "No", "#", "# de", "1",
	} {
		require.False(t, provider.Willing(title), title)
	}
}

func TestMetaValue(t *testing.T) {
	const value = `{"metadata":{},"user_id_update":[]}`
	for _, raw := range []string{
		value, `{"field":"user_id_update","value":` + value + `}`, `{"changes":[{"value":` + value + `}]}`,
		`{"entry":[{"changes":[{"value":` + value + `}]}]}`,
	} {
		got, ok := provider.MetaValue([]byte(raw))
		require.True(t, ok, raw)
		require.True(t, got.Has("user_id_update"), raw)
	}
	for _, raw := range []string{
		`5`, `[]`, `{"value":7}`, `{"changes":[]}`, `{"changes":[{},{}]}`,
		`{"value":{"value":{"value":{"value":{"value":{}}}}}}`,
	} {
		_, ok := provider.MetaValue([]byte(raw))
		require.False(t, ok, raw)
	}
}
