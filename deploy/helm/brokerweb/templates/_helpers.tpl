{{- define "brokerweb.labels" -}}
app.kubernetes.io/name: brokerweb
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
